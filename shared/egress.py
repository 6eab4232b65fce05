"""Decides which addresses an endpoint may have: the whole public internet and nothing else. Pure.

An address that carries another (IPv4-mapped, 6to4, NAT64, ISATAP) is judged as the one it carries as well; Teredo's
are refused whatever they carry.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from shared.hosts import Address, inside_name, local_name, spelled_address

Network = IPv4Network | IPv6Network

# The registries of special-purpose addresses (RFC 6890 and what came later), and ranges that lead back inside on real
# networks. Ours, since `ipaddress` judges some of them differently from one Python to the next.
_SPECIAL = tuple(
    ip_network(cidr)
    for cidr in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    )
)
_GLOBAL_UNICAST = ip_network("2000::/3")  # nothing else of IPv6 is handed out
_NAT64 = ip_network("64:ff9b::/96")  # its local kin, 64:ff9b:1::/48, is no global unicast
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214 §6.1: these, then an IPv4 address, behind any prefix


class Egress:
    """The rule, with the deployment's exceptions."""

    def __init__(self, allow: str = "", *, allow_http: bool = False) -> None:
        """`allow` is `cidr[:port]` separated by commas, an IPv6 range with a port in brackets. Raises ValueError."""
        self._exceptions = [_exception(part.strip()) for part in allow.split(",") if part.strip()]
        self.allow_http = allow_http

    def allows(self, address: str, port: int) -> bool:
        """`address` is an IP address as the resolver gave it, a zone index included."""
        try:
            ip = ip_address(address.split("%")[0])
        except ValueError:
            return False
        return self._excepted(ip, port) or all(_public(judged) for judged in _carried(ip))

    def refusal(self, url: str) -> str | None:
        """Why a valid URL is not one we connect to, as far as can be told without asking DNS; None when it may be."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        if parts.scheme == "http" and not self.allow_http:
            return "plain http is not allowed here; use https"
        try:
            address = "127.0.0.1" if local_name(host) else str(spelled_address(host) or "")
        except ValueError:
            return f"{host} ends in a number, as no name does, and is not an IP address"
        if address and not self.allows(address, port):
            return f"{host} is not a public address" if host == address else f"{host} is {address}, not public"
        # What a name of the inside means is known by DNS alone, and with exceptions it may be meant.
        if not self._exceptions and inside_name(host):
            return f"{host} is not a public name"
        return None

    def _excepted(self, ip: Address, port: int) -> bool:
        candidates = [ip, ip.ipv4_mapped] if isinstance(ip, IPv6Address) and ip.ipv4_mapped else [ip]
        return any(
            candidate in network and allowed in (None, port)
            for candidate in candidates
            for network, allowed in self._exceptions
        )


def _exception(text: str) -> tuple[Network, int | None]:
    host, port = text, None
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = int(rest[1:]) if rest else None
    elif text.count(":") == 1:
        host, _, rest = text.partition(":")
        port = int(rest)
    return ip_network(host, strict=False), port


def _carried(ip: Address) -> Iterator[Address]:
    yield ip
    if not isinstance(ip, IPv6Address):
        return
    if ip.ipv4_mapped:
        yield ip.ipv4_mapped
    if ip.sixtofour:
        yield ip.sixtofour
    if ip in _NAT64 or int(ip) >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(int(ip) & 0xFFFFFFFF)


def _public(ip: Address) -> bool:
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped or ip in _NAT64:
            return True  # judged by the address it carries
        if ip not in _GLOBAL_UNICAST:
            return False
    return not any(ip in network for network in _SPECIAL if network.version == ip.version)
