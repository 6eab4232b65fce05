"""Raw endpoints that do what they please, and a sender to post to them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from services.delivery.outcome import Answer
from services.delivery.sender import Sender
from shared.egress import Egress
from shared.network import Network

LOCAL = Egress("127.0.0.0/8", allow_http=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def endpoint(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A raw TCP server; answers its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the sender hung up, which is what some tests are about
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def sending(egress: Egress = LOCAL, limit: float = 5, network: Network | None = None) -> AsyncIterator[Sender]:
    sender = Sender(egress=egress, network=network or Network(), time_limit_seconds=limit)
    await sender.start()
    try:
        yield sender
    finally:
        await sender.stop(0)


async def request(reader: asyncio.StreamReader) -> bytes:
    """One whole request: head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


async def post(port: int, sender: Sender, scheme: str = "http", host: str = "127.0.0.1") -> Answer:
    return await sender.post(f"{scheme}://{host}:{port}/hook", b'{"a":1}', {"Content-Type": "application/json"})


def answering(raw: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            writer.write(raw)
            await writer.drain()

    return talk
