"""Where a link may lead back to: the front end, and what the settings name beside it.

A redirect carries tokens, so an address that is not exactly allowed is replaced by the front end's own.
"""

from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

from core.settings import Settings

MAX_LENGTH: Final = 2_048
_BELOW: Final = "/**"
# To a browser they are slashes, or nothing at all.
_MISREAD: Final = "\\\t\r\n\x00"


def base_url(settings: Settings) -> str:
    """Where this service is reached from outside, without a slash at the end."""
    api = settings.api
    return (api.public_url or f"http://{api.host}:{api.port}").rstrip("/")


def host(settings: Settings) -> str:
    """The name of the front end's host, as people know the product by it."""
    return urlsplit(site_url(settings)).hostname or "LeadFuel"


def site_url(settings: Settings) -> str:
    """The front end."""
    return settings.sign_in.site_url or base_url(settings)


def allowed(settings: Settings, wanted: str | None) -> str:
    """The address that was asked for when it is allowed, else the front end's."""
    site = site_url(settings)
    if not wanted or len(wanted) > MAX_LENGTH or any(c in wanted for c in _MISREAD) or not wanted.isascii():
        return site
    try:
        target, home = urlsplit(wanted), urlsplit(site)
        if _origin(target) == _origin(home) and target.scheme in {"http", "https"}:
            return wanted
        for entry in settings.sign_in.redirect_urls.split(","):
            if _fits(target, wanted, entry.strip()):
                return wanted
    except ValueError:
        pass
    return site


def with_fragment(url: str, values: dict[str, str]) -> str:
    """The address with values that only the browser sees."""
    return urlunsplit(urlsplit(url)._replace(fragment=urlencode(values)))


def with_query(url: str, values: dict[str, str]) -> str:
    """The address with further parameters."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(values)) if part)
    return urlunsplit(parts._replace(query=query))


def _fits(target: SplitResult, wanted: str, entry: str) -> bool:
    if not entry:
        return False
    if not entry.endswith(_BELOW):
        return wanted == entry
    above = urlsplit(entry.removesuffix(_BELOW))
    path = f"{above.path}/"
    return (
        _origin(target) == _origin(above)
        and f"{target.path}/".startswith(path)
        and ".." not in target.path.split("/")
        and "%" not in target.path
    )


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    """Scheme, host and port; who puts a name before the host is nobody's origin."""
    if "@" in parts.netloc or not parts.netloc:
        raise ValueError("no plain origin")
    return parts.scheme, parts.hostname or "", parts.port
