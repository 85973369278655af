"""Whether this machine can ask mail servers at all, and whether they would listen to it."""

from dataclasses import dataclass
from typing import Final

from core.settings import ValidatorSettings
from domain.validator.resolver import DnsFailed, NoSuchDomain, Resolver
from domain.validator.wire import Broken, Sockets

# Large hosts that greet everybody: enough to tell a closed port from a host that is down.
WELL_KNOWN: Final = ("gmail.com", "outlook.com", "yahoo.com")
BLOCK_LISTS: Final = ("zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org")


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer; `is_good` is None when it could not be answered."""

    name: str
    is_good: bool | None
    detail: str


async def port_is_open(settings: ValidatorSettings, domains: tuple[str, ...] = WELL_KNOWN) -> Check:
    """Whether any of some well-known mail servers greets us."""
    name = f"port {settings.smtp_port}"
    if not settings.smtp_port:
        return Check(name, False, "LEADFUEL_SMTP_PORT is 0: every address stays unknown")
    resolver, network = Resolver(settings), Sockets(settings)
    tried = []
    for domain in domains:
        route = await resolver.route(domain)
        if not route.hosts:
            tried.append(f"{domain}: {route.problem}")
            continue
        host = route.hosts[0]
        try:
            wire = await network.connect(
                host.addresses[0], settings.smtp_port, source=None, timeout_s=settings.connect_timeout_s
            )
        except Broken as broken:
            tried.append(f"{host.name}: {broken.sub_status}")
            continue
        wire.close()
        return Check(name, True, f"{host.name} answers")
    return Check(name, False, "closed or nobody answers, every address stays unknown; " + "; ".join(tried))


async def check(settings: ValidatorSettings, domains: tuple[str, ...] = WELL_KNOWN) -> list[Check]:
    """All checks, in the order in which they matter."""
    resolver = Resolver(settings)
    checks = [await port_is_open(settings, domains), _helo(settings)]
    if settings.helo:
        checks += await _identity(resolver, settings)
    if settings.sender:
        checks.append(await _sender(resolver, settings.sender.rpartition("@")[2]))
    else:
        checks.append(Check("sender", None, "LEADFUEL_SMTP_SENDER is empty: some servers will not answer"))
    return checks


def _helo(settings: ValidatorSettings) -> Check:
    if "." not in settings.helo:
        return Check("host name", False, "LEADFUEL_SMTP_HELO is no full host name; many servers refuse it")
    return Check("host name", True, settings.helo)


async def _identity(resolver: Resolver, settings: ValidatorSettings) -> list[Check]:
    """Our addresses by our name, whether they point back, and whether lists have them."""
    try:
        addresses = await resolver.addresses(settings.helo)
    except (DnsFailed, NoSuchDomain):
        addresses = []
    if not addresses:
        return [Check("address", False, f"{settings.helo} has no address in the DNS")]
    checks = []
    for address in addresses:
        try:
            back = await resolver.pointer(address)
        except DnsFailed:
            checks.append(Check("reverse name", None, f"the DNS does not say what {address} points to"))
            continue
        is_good = back is not None and back.lower() == settings.helo.lower()
        checks.append(Check("reverse name", is_good, f"{address} points to {back or 'nothing'}"))
        if address.version == 4:
            checks += [await _listed(resolver, str(address), zone) for zone in BLOCK_LISTS]
    return checks


async def _listed(resolver: Resolver, address: str, zone: str) -> Check:
    backwards = ".".join(reversed(address.split(".")))
    try:
        is_listed = await resolver.exists(f"{backwards}.{zone}")
    except DnsFailed:
        return Check(zone, None, "does not answer")
    return Check(zone, not is_listed, f"{address} is {'listed' if is_listed else 'not listed'}")


async def _sender(resolver: Resolver, domain: str) -> Check:
    try:
        texts = await resolver.text_records(domain)
    except (DnsFailed, NoSuchDomain):
        return Check("SPF", None, f"the DNS does not say whether {domain} has a record")
    found = next((text for text in texts if text.lower().startswith("v=spf1")), None)
    return Check("SPF", found is not None, found or f"{domain} has no SPF record")
