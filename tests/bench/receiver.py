"""The endpoint of all 200 webhooks: as little HTTP/1.1 as our clients speak, so that its own cost stays small.

It counts, notes how long ago the event was published, and answers 200. It checks no signature.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import uvloop

from tests.bench.children import parent_gone
from tests.bench.counters import Counters
from tests.bench.payload import sent_at

WHAT_IT_IS = "hand-written asyncio protocol on uvloop: keep-alive, counts and answers 200, verifies nothing"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
_LENGTH = b"content-length:"


class Endpoint(asyncio.Protocol):
    """One connection. `on_body` is told each request's body."""

    def __init__(self, on_body: Callable[[bytes], None]) -> None:
        self._on_body = on_body
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not of this class, only like it

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        while self._take():
            self._transport.write(_ANSWER)

    def _take(self) -> bool:
        """One whole request off what has been received, if there is one."""
        received = self._received
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = received[:end].lower()
        length_at = head.index(_LENGTH) + len(_LENGTH)
        line_end = head.find(b"\r\n", length_at)
        stop = end + 4 + int(head[length_at : line_end if line_end >= 0 else end])
        if len(received) < stop:
            return False
        self._received = received[stop:]
        self._on_body(received[end + 4 : stop])
        return True


async def main(port: int, counters: Counters) -> None:
    def count(body: bytes) -> None:
        counters.count_received(sent_at(body))

    listening = socket.create_server(("127.0.0.1", port), backlog=1024)
    await asyncio.get_running_loop().create_server(lambda: Endpoint(count), sock=listening)
    await parent_gone()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Counters(Path(sys.argv[2]))))
