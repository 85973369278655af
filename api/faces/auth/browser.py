"""Signing in by a provider, as a browser goes through it: `/authorize`, then `/callback`."""

from typing import Final
from urllib.parse import parse_qsl, urlencode

from api import body as intake
from api.faces.auth import shapes
from api.faces.auth.door import (
    MAX_BODY_BYTES,
    PREFIX,
    Call,
    Endpoint,
    Reply,
    challenge_of,
    endpoint,
    redirect,
)
from api.faces.auth.mailed import failure
from core.errors import LeadFuelError
from domain.auth import federation, providers, redirects, sessions
from domain.auth.errors import ProviderRefused, ValidationFailed
from domain.auth.federation import Flow

_MAX_SCOPES_LENGTH: Final = 500
# What a page may tell the provider beyond what we say.
_HINTS: Final = ("prompt", "login_hint", "hd", "domain_hint", "access_type")
_CALLBACK: Final[tuple[str, ...]] = ("code", "state", "error", "error_description")


@endpoint("GET", "/authorize")
async def authorize(call: Call) -> Reply:
    provider = providers.find(call.services.sign_in.providers, call.parameter("provider"))
    scopes = call.parameter("scopes")
    if len(scopes) > _MAX_SCOPES_LENGTH:
        raise ValidationFailed("scopes is not valid")
    await call.services.sign_in.throttle.attempt(call.origin)
    begun = await federation.begin(
        call.database,
        call.settings,
        provider,
        redirect_to=call.redirect_to(),
        challenge=challenge_of(
            call.parameter("code_challenge") or None, call.parameter("code_challenge_method") or None
        ),
        scopes=scopes,
        terms_version=call.parameter("terms_version") or None,
        hint={name: value for name in _HINTS if (value := call.parameter(name))},
    )
    secure = "; Secure" if redirects.base_url(call.settings).startswith("https:") else ""
    cookie = (
        f"{federation.cookie_name(begun.flow_id)}={begun.browser}; Path={PREFIX}/callback;"
        f" Max-Age={federation.LIFETIME_S}; HttpOnly; SameSite=Lax{secure}"
    )
    return Reply(status=302, headers={"Location": begun.url, "Set-Cookie": cookie})


@endpoint("GET", "/callback")
async def callback(call: Call) -> Reply:
    flow: Flow | None = None
    try:
        flow = await federation.come_back(
            call.database, call.settings, state=call.parameter("state"), cookies=call.request.cookies
        )
        return await _finish(call, flow)
    except LeadFuelError as error:
        if error.status >= 500:
            raise
        target = flow.redirect_to if flow else redirects.site_url(call.settings)
        if flow is not None and flow.challenge is not None:
            return redirect(redirects.with_query(target, failure(error)))
        return redirect(redirects.with_fragment(target, failure(error)))


@endpoint("POST", "/callback")
async def callback_by_form(call: Call) -> Reply:
    """A provider that answers by a form. The browser comes again by GET, and then with its cookie."""
    raw = await intake.read(call.request, limit_bytes=MAX_BODY_BYTES)
    try:
        fields = dict(parse_qsl(raw.decode("ascii"), max_num_fields=20))
    except ValueError:
        raise ValidationFailed("The form cannot be read") from None
    query = urlencode({name: fields[name] for name in _CALLBACK if name in fields})
    return redirect(f"{federation.callback(call.settings)}?{query}")


async def _finish(call: Call, flow: Flow) -> Reply:
    if call.parameter("error"):
        raise ProviderRefused(call.parameter("error_description")[:200] or "The provider said no")
    if not call.parameter("code"):
        raise ProviderRefused("The provider sent no code")
    outcome = await federation.finish(
        call.database,
        call.settings,
        providers.find(call.services.sign_in.providers, flow.provider),
        flow=flow,
        code=call.parameter("code"),
        origin=call.origin,
    )
    if isinstance(outcome, str):
        return redirect(redirects.with_query(flow.redirect_to, {"code": outcome}))
    tokens = await sessions.issue(call.services.keyring, call.settings, outcome)
    return redirect(redirects.with_fragment(flow.redirect_to, shapes.fragment(tokens, type_="oauth")))


ENDPOINTS: Final[tuple[Endpoint, ...]] = (authorize, callback, callback_by_form)
