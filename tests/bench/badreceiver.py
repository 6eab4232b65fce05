"""Endpoints in trouble: `/hang/…` takes requests and never answers, `/slow/…` answers 200 after five seconds."""

import asyncio
import socket
import sys

import uvloop

from tests.bench.children import parent_gone

SLOW_SECONDS = 5.0
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class BadEndpoint(asyncio.Protocol):
    """One connection, of a client that sends its next request when it has the last one's answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._answering: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        if self._answering is None and data.startswith(b"POST /slow/"):
            self._answering = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._answer)

    def _answer(self) -> None:
        self._answering = None
        if not self._transport.is_closing():
            self._transport.write(_ANSWER)  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answering:
            self._answering.cancel()


async def main(port: int) -> None:
    listening = socket.create_server(("127.0.0.1", port), backlog=1024)
    await asyncio.get_running_loop().create_server(BadEndpoint, sock=listening)
    await parent_gone()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
