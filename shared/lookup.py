"""Names to addresses, without a thread that another name's slow server could hold; forbidden addresses are left out."""

import socket
from collections.abc import Sequence

import aiodns
import pycares
from aiohttp.abc import AbstractResolver, ResolveResult
from cachetools import TTLCache

from shared.egress import Egress

_TIMEOUT_SECONDS = 3.0
_TRIES = 2
"""Of each name server; the second is waited for twice as long."""
_UNSORTED = 0x80  # ARES_AI_NOSORT: sorting makes a socket towards every address that was found
_UNKNOWN = (pycares.errno.ARES_ENOTFOUND, pycares.errno.ARES_ENODATA, pycares.errno.ARES_EBADNAME)
_WORDS = {
    pycares.errno.ARES_ETIMEOUT: "the name servers did not answer in time",
    pycares.errno.ARES_ECONNREFUSED: "the name servers cannot be reached",
    pycares.errno.ARES_ESERVFAIL: "the name servers could not find out (SERVFAIL)",
    pycares.errno.ARES_EREFUSED: "the name servers refuse to say (REFUSED)",
}


class BlockedAddress(OSError):
    """The endpoint's address is not one we connect to."""


class LookupFailed(OSError):
    """A name has no address that could be found; says why."""


class NoSuchName(LookupFailed):
    """The name servers did answer: there is none."""


class Lookup(AbstractResolver):
    """Asks `servers` (`ip` or `ip:port`; none: those of the system) after the hosts file.

    A name is asked for as it stands: search domains would give names of the inside to customers, and in Kubernetes
    several questions for each.
    """

    def __init__(self, servers: Sequence[str]) -> None:
        self._resolver = aiodns.DNSResolver(
            nameservers=servers or None, timeout=_TIMEOUT_SECONDS, tries=_TRIES, flags=pycares.ARES_FLAG_NOSEARCH
        )

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises LookupFailed."""
        try:
            found = await self._resolver.getaddrinfo(
                host.rstrip("."), family=family, port=port, type=socket.SOCK_STREAM, flags=_UNSORTED
            )
        except aiodns.error.DNSError as error:
            raise _failure(host, error) from None
        return [_result(host, port, node.addr[0].decode("ascii")) for node in found.nodes]

    async def close(self) -> None:
        await self._resolver.close()


class GuardedLookup(AbstractResolver):
    """Answers the allowed addresses only; raises BlockedAddress when there are none."""

    def __init__(self, lookup: Lookup, egress: Egress, *, kept_seconds: float) -> None:
        self._lookup = lookup
        self._egress = egress
        self._cleared: TTLCache[tuple[str, int], bool] = TTLCache(10_000, kept_seconds)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._lookup.resolve(host, port, family)
        allowed = [entry for entry in found if self._egress.allows(entry["host"], port)]
        if not allowed:
            # Not which ones: that would let customers read the names of the inside.
            raise BlockedAddress(f"{host} resolves only to addresses that are not allowed")
        return allowed

    async def clear(self, host: str, port: int) -> None:
        """Raises BlockedAddress or LookupFailed; remembers for a while what may be connected to."""
        if (host, port) in self._cleared or self._egress.allows(host, port):
            return
        await self.resolve(host, port)
        self._cleared[host, port] = True

    async def close(self) -> None:
        await self._lookup.close()


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)


def _failure(host: str, error: aiodns.error.DNSError) -> LookupFailed:
    number = error.args[0] if error.args else None
    if number in _UNKNOWN:
        why = "the name does not exist, or has neither an A nor an AAAA record"
        return NoSuchName(f"no address was found for {host}: {why}")
    return LookupFailed(f"no address was found for {host}: {_WORDS.get(number, 'the look-up failed')}")
