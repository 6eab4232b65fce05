"""The only outbound HTTP: one POST, guarded, bounded in time and in what is read.

Every socket is made by `_socket`, which sees the very address that will be connected to: whatever a name resolved to
before, a forbidden address is refused there. The resolver refuses earlier, with clearer words.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from cachetools import LRUCache
from yarl import URL

from services.delivery.outcome import Answer
from shared.contracts.delivery import ANSWER_KEPT_BYTES, ErrorKind
from shared.egress import Egress

READ_LIMIT_BYTES = 16 * 1024
_DNS_SECONDS = 10


class BlockedAddress(OSError):
    """The endpoint's address is not one we connect to."""


@dataclass(slots=True)
class _Connection:
    fresh: bool = False


_connection: ContextVar[_Connection] = ContextVar("connection")


class _GuardedResolver(AbstractResolver):
    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = [entry for entry in found if self._egress.allows(entry["host"], port)]
        if not allowed:
            raise BlockedAddress(f"{host} resolves only to addresses that are not allowed")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


class Sender:
    """One session for all endpoints; `time_limit_seconds` bounds a whole exchange, reading included."""

    def __init__(self, *, egress: Egress, time_limit_seconds: float) -> None:
        self._egress = egress
        self._limit = time_limit_seconds
        self._urls: LRUCache[str, URL] = LRUCache(10_000)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        connector = aiohttp.TCPConnector(
            limit=0,  # the caller limits
            resolver=_GuardedResolver(self._egress),
            ttl_dns_cache=_DNS_SECONDS,
            keepalive_timeout=30,
            socket_factory=self._socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
        )

    async def stop(self, deadline: float) -> None:
        if self._session:
            await self._session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Never raises for what an endpoint does: the answer says what happened."""
        try:
            async with asyncio.timeout(self._limit):
                return await self._post(self._url(url), body, headers)
        except TimeoutError:
            return Answer(error=ErrorKind.TIMEOUT, detail=f"no complete answer within {self._limit:g} s")
        except BlockedAddress as error:
            return Answer(error=ErrorKind.BLOCKED_ADDRESS, detail=str(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _failure(error)

    async def _post(self, url: URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        """A kept connection may have been closed while it was idle: that earns an immediate try on a fresh one."""
        connection = _Connection()
        token = _connection.set(connection)
        try:
            while True:
                try:
                    return await self._exchange(url, body, headers)
                except aiohttp.ClientConnectorError:
                    raise  # no connection was made, so none was kept
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError):
                    # A kept connection that failed has left the pool, so this ends with a fresh one at the latest.
                    if connection.fresh:
                        raise
        finally:
            _connection.reset(token)

    async def _exchange(self, url: URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        assert self._session is not None, "start() comes first"
        async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            start = await self._read(response)
            return Answer(response.status, start[:ANSWER_KEPT_BYTES], response.headers.get("Retry-After"))

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Up to the limit; a longer body costs its connection."""
        kept = bytearray()
        while chunk := await response.content.read(READ_LIMIT_BYTES - len(kept) + 1):
            kept += chunk
            if len(kept) > READ_LIMIT_BYTES:
                response.close()
                break
        return bytes(kept)

    def _url(self, text: str) -> URL:
        url = self._urls.get(text)
        if url is None:
            url = self._urls[text] = URL(text)
        if url.scheme == "http" and not self._egress.allow_http:
            raise BlockedAddress("plain http is not allowed here; use https")
        return url

    def _socket(self, address: Any) -> socket.socket:
        family, kind, protocol, _, target = address
        if not self._egress.allows(target[0], target[1]):
            raise BlockedAddress(f"{target[0]} port {target[1]} is not an address we connect to")
        _connection.get(_Connection()).fresh = True
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


def _failure(error: Exception) -> Answer:
    kind = _kind(error)
    cause = getattr(error, "os_error", None) or error
    if isinstance(cause, BlockedAddress):
        return Answer(error=ErrorKind.BLOCKED_ADDRESS, detail=str(cause))
    return Answer(error=kind, detail=f"{type(cause).__name__}: {cause}"[:300])


def _kind(error: Exception) -> ErrorKind:
    match error:
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return ErrorKind.TLS
        case aiohttp.ClientConnectorDNSError():
            return ErrorKind.DNS
        case aiohttp.ClientConnectorError():
            return ErrorKind.CONNECT
        case aiohttp.ClientPayloadError() | aiohttp.ClientOSError() | aiohttp.ServerDisconnectedError():
            return ErrorKind.RESET
        case aiohttp.ClientResponseError() | aiohttp.InvalidURL() | ValueError():
            return ErrorKind.MALFORMED_ANSWER
        case ConnectionError():
            return ErrorKind.RESET
        case _:
            return ErrorKind.CONNECT
