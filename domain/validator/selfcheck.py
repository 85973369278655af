"""Whether this machine can ask mail servers at all, and whether they would listen to it."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

from core.addresses import IP
from core.settings import ValidatorSettings
from domain.validator.resolver import DnsFailed, NoSuchDomain, Resolver
from domain.validator.wire import Broken, Sockets

# Large hosts that greet everybody: enough to tell a closed port from a host that is down.
WELL_KNOWN: Final = ("gmail.com", "outlook.com", "yahoo.com")
BLOCK_LISTS: Final = ("zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org")
_LISTS: Final = ip_network("127.0.0.0/16")
_REFUSES: Final = ip_network("127.255.255.0/24")


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
    tried, was_asked = [], False
    for domain in domains:
        route = await resolver.route(domain)
        if not route.hosts:
            tried.append(f"{domain}: {route.problem}")
            continue
        host, was_asked = route.hosts[0], True
        try:
            wire = await network.connect(
                host.addresses[0], settings.smtp_port, source=None, timeout_s=settings.connect_timeout_s
            )
        except Broken as broken:
            tried.append(f"{host.name}: {broken.sub_status}")
            continue
        try:
            await wire.read_reply(settings.command_timeout_s)
        except Broken as broken:
            # Some networks accept every connection and let nothing through.
            tried.append(f"{host.name}: {broken.sub_status}")
            continue
        finally:
            wire.close()
        return Check(name, True, f"{host.name} answers")
    if not was_asked:
        return Check(name, None, "the DNS gives no mail server to try; " + "; ".join(tried))
    return Check(name, False, "closed or nobody answers, every address stays unknown; " + "; ".join(tried))


async def check(settings: ValidatorSettings, domains: tuple[str, ...] = WELL_KNOWN) -> list[Check]:
    """All checks, in the order in which they matter."""
    resolver = Resolver(settings)
    checks = [await port_is_open(settings, domains), _helo(settings)]
    if settings.helo:
        checks += await _identity(resolver, settings)
    if settings.sender:
        checks += await _sender(resolver, settings.sender.rpartition("@")[2])
    else:
        checks.append(Check("sender", None, "LEADFUEL_SMTP_SENDER is empty: some servers will not answer"))
    return checks


def _helo(settings: ValidatorSettings) -> Check:
    if "." not in settings.helo:
        return Check("host name", False, "LEADFUEL_SMTP_HELO is no full host name; many servers refuse it")
    return Check("host name", True, settings.helo)


async def _identity(resolver: Resolver, settings: ValidatorSettings) -> list[Check]:
    """The addresses we come from, whether our name has them and they point back, and whether lists do."""
    try:
        named = await resolver.addresses(settings.helo)
    except (DnsFailed, NoSuchDomain):
        named = []
    ours = [ip_address(part.strip()) for part in settings.sources.split(",") if part.strip()]
    checks = []
    if not named:
        checks.append(Check("address", False, f"{settings.helo} has no address in the DNS"))
    checks += [
        Check("address", address in named, f"{settings.helo} {_has(address in named)} {address}")
        for address in ours
    ]
    for address in ours or named:
        checks.append(await _pointer(resolver, address, settings.helo))
        if address.is_global:
            checks += [await _listed(resolver, address, zone) for zone in BLOCK_LISTS]
    return checks


def _has(it_does: bool) -> str:  # noqa: FBT001
    return "has" if it_does else "lacks"


async def _pointer(resolver: Resolver, address: IP, helo: str) -> Check:
    try:
        back = await resolver.pointer(address)
    except DnsFailed:
        return Check("reverse name", None, f"the DNS does not say what {address} points to")
    is_good = back is not None and back.lower() == helo.lower()
    return Check("reverse name", is_good, f"{address} points to {back or 'nothing'}")


async def _listed(resolver: Resolver, address: IP, zone: str) -> Check:
    """A listing is an answer of 127.0.0.0/16; 127.255.255.0/24 is the list's word that it will not say."""
    backwards = address.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    try:
        codes = await resolver.codes(f"{backwards}.{zone}")
    except DnsFailed:
        return Check(zone, None, "does not answer")
    if any(code in _REFUSES for code in codes):
        return Check(zone, None, "does not answer this resolver; ask by a resolver of your own")
    is_listed = any(code in _LISTS for code in codes)
    return Check(zone, not is_listed, f"{address} is {'listed' if is_listed else 'not listed'}")


async def _sender(resolver: Resolver, domain: str) -> list[Check]:
    route = await resolver.route(domain)
    takes_mail = True if route.hosts else False if route.is_proved else None
    detail = f"{domain} takes mail" if route.hosts else f"{domain}: {route.problem}"
    checks = [Check("sender", takes_mail, detail)]
    try:
        texts = await resolver.text_records(domain)
    except (DnsFailed, NoSuchDomain):
        return [*checks, Check("SPF", None, f"the DNS does not say whether {domain} has a record")]
    found = next((text for text in texts if text.lower().startswith("v=spf1")), None)
    return [*checks, Check("SPF", found is not None, found or f"{domain} has no SPF record")]
