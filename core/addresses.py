"""Which numbers may be connected to. What a stranger's DNS answers is a stranger's wish.

Only globally reachable unicast addresses are, also when one is wrapped in another (mapped, 6to4, NAT64,
Teredo). A laboratory names its own networks in the settings.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from core.settings import BadSetting

IP = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Not left to the tables of the Python at hand, which differ between versions.
_REFUSED: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
        "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")


def read_networks(text: str) -> tuple[Network, ...]:
    """The networks of a setting; raises `BadSetting`."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise BadSetting(f"LEADFUEL_SMTP_ALLOWED_NETWORKS: {error}.") from None


def may_connect(address: IP, allowed: Iterable[Network] = ()) -> bool:
    """Whether the number is public, itself and whatever it wraps, or in an allowed network."""
    if any(address in network for network in allowed):
        return True
    if any(address in network for network in _REFUSED) or not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv6Address):
        if address in _LOCAL_NAT64 or address.teredo is not None:
            return False
        inner = _wrapped(address)
        return inner is None or may_connect(inner)
    return True


def read_ip(text: str) -> IP:
    """The number a DNS record holds, an IPv4 number mapped into IPv6 as what it is."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _SIX_TO_FOUR:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
