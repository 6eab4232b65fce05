"""Reads the host of a URL as resolvers do: which address it spells, if it is no name. Pure."""

import re
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_OCTET = 256
# Reserved for what is not on the internet (RFC 6761, RFC 6762, RFC 8375 and ICANN's `.internal`), and the names under
# which clouds and clusters answer their own machines.
_INSIDE = (
    ".home.arpa",
    ".internal",
    ".invalid",
    ".local",
    ".localdomain",
    ".onion",
    ".svc",
    ".test",
    ".instance-data",
    ".kubernetes",
    ".kubernetes.default",
    ".metadata",
)


def spelled_address(host: str) -> Address | None:
    """The address that `host` is, in any spelling that resolvers take: 127.1, 0x7f000001, 017700000001, …; else None.

    Raises ValueError for what ends in a number, as no name does, and is no address either.
    """
    if ":" in host:
        return IPv6Address(host)
    parts = host.removesuffix(".").split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return None
    return IPv4Address(_joined([_number(part) for part in parts]))


def inside_name(host: str) -> bool:
    """Whether a name is one that no public server can have."""
    return f".{host.rstrip('.')}".lower().endswith(_INSIDE)


def local_name(host: str) -> bool:
    """Whether a name means this very machine."""
    return f".{host.rstrip('.')}".lower().endswith(".localhost")


def _number(text: str) -> int:
    """Decimal, octal or hexadecimal, as C reads it."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not part of an address")
    if text[:2] in ("0x", "0X"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") else 10)


def _joined(numbers: list[int]) -> int:
    """Of one to four numbers the last fills all the bytes that are left."""
    *octets, rest = numbers
    if len(octets) > 3 or any(octet >= _OCTET for octet in octets) or rest >= _OCTET ** (4 - len(octets)):
        raise ValueError("an IPv4 address has four bytes")
    return sum(octet << 8 * (3 - place) for place, octet in enumerate(octets)) + rest
