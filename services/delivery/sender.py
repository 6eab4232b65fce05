"""The only outbound HTTP: one POST, guarded, bounded in time and in what is read.

Every socket is made by `_socket`, which sees the very address that will be connected to: whatever a name resolved to
before, a forbidden address is refused there. The look-up refuses earlier, with clearer words.
"""

import asyncio
import socket
from collections.abc import Mapping
from functools import lru_cache, partial

import aiohttp
from yarl import URL

from services.delivery.failure import failed, late
from services.delivery.handshake import shown_certificate
from services.delivery.limit import TimeLimit
from services.delivery.outcome import Answer
from services.delivery.wire import Exchange, Wire, current
from shared.contracts.delivery import ANSWER_KEPT_BYTES
from shared.contracts.failure import ErrorKind
from shared.contracts.url import http_url
from shared.egress import Egress
from shared.hosts import spelled_address
from shared.lookup import BlockedAddress, GuardedLookup, Lookup
from shared.network import Network

READ_LIMIT_BYTES = 16 * 1024
_DNS_SECONDS = 10
_KEPT_SECONDS = 30


class Sender:
    """One session for all endpoints; `time_limit_seconds` bounds a whole exchange, reading included."""

    def __init__(self, *, egress: Egress, network: Network, time_limit_seconds: float) -> None:
        self._egress = egress
        self._network = network
        self._limit_seconds = time_limit_seconds
        self._limit = TimeLimit(time_limit_seconds)
        self._target = lru_cache(maxsize=10_000)(self._parsed)
        self._lookup: GuardedLookup
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        lookup = Lookup(self._network.dns_servers)
        self._lookup = GuardedLookup(lookup, self._egress, kept_seconds=_DNS_SECONDS)
        connector = aiohttp.TCPConnector(
            limit=0,  # the caller limits
            resolver=lookup if self._network.proxy else self._lookup,
            ttl_dns_cache=_DNS_SECONDS,
            keepalive_timeout=_KEPT_SECONDS,
            socket_factory=self._socket,
            ssl=self._network.tls,
        )
        # aiohttp has no setting for its protocol.
        connector._factory = partial(Wire, loop=asyncio.get_running_loop())  # type: ignore[assignment]
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=READ_LIMIT_BYTES,
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
            proxy=self._network.proxy,
        )

    async def stop(self, deadline: float) -> None:
        self._limit.stop()
        if self._session:
            await self._session.close()
            await self._lookup.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Never raises for what an endpoint does: the answer says what happened."""
        try:
            target = self._target(url)
        except ValueError as error:
            return Answer(error=ErrorKind.BLOCKED_ADDRESS, detail=str(error))
        exchange = Exchange(target, proxied=self._network.proxy is not None)
        try:
            return await self._limit.keep(self._post(exchange, body, headers))
        except TimeoutError:
            return late(exchange, self._limit_seconds)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return failed(exchange, error)

    async def _post(self, exchange: Exchange, body: bytes, headers: Mapping[str, str]) -> Answer:
        """A kept connection may have been closed while it was idle: that earns an immediate try on a fresh one."""
        token = current.set(exchange)
        try:
            if exchange.proxied:  # it connects in our place: what it is asked for is judged before
                await self._lookup.clear(exchange.url.raw_host or "", exchange.url.port or 0)
            while True:
                try:
                    return await self._exchange(exchange.url, body, headers)
                except aiohttp.ClientConnectorCertificateError as error:
                    exchange.refused = error
                    if not exchange.proxied:
                        await shown_certificate(exchange, self._socket)
                    raise
                except aiohttp.ClientConnectorError:
                    raise  # no connection was made, so none was kept
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError):
                    # A kept connection that failed has left the pool, so this ends with a fresh one at the latest.
                    if exchange.address:
                        raise
                    exchange.wire = None
        finally:
            current.reset(token)

    async def _exchange(self, url: URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        """A body that was not read to its end costs its connection."""
        assert self._session is not None, "start() comes first"
        response = await self._session.post(url, data=body, headers=headers, allow_redirects=False)
        try:
            start = await _start(response)
            return Answer(response.status, start, response.headers.get("Retry-After"))
        finally:
            if not response.closed:
                response.close()

    def _parsed(self, text: str) -> URL:
        """Raises ValueError for what we do not connect to, as far as the URL tells."""
        url = URL(http_url(text))
        if refusal := self._egress.refusal(text):
            raise ValueError(refusal)
        address = spelled_address(url.raw_host or "")
        return url.with_host(str(address)) if address else url

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """Behind a proxy the only address ever connected to is the proxy's."""
        host, port = address[4][0], int(address[4][1])
        if not self._network.proxy and not self._egress.allows(str(host), port):
            raise BlockedAddress(f"{host} port {port} is not an address we connect to")
        if exchange := current.get(None):
            exchange.address = address
        made = socket.socket(*address[:3])
        made.setblocking(False)
        return made


async def _start(response: aiohttp.ClientResponse) -> bytes:
    """The part of a body that is kept; read is all of it up to the limit, so that its connection is kept too."""
    exchange, content = current.get(), response.content
    read = bytearray()
    while len(read) <= READ_LIMIT_BYTES and not content.at_eof():
        read += await content.read(READ_LIMIT_BYTES - len(read) + 1)
        exchange.body_bytes = len(read)
    return bytes(read[:ANSWER_KEPT_BYTES])
