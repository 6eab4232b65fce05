"""A network between a service and a server, which breaks when told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from yarl import URL


class Link:
    """`url` leads through it. While it is cut nobody is let through; what was through is closed."""

    def __init__(self, url: str) -> None:
        self._there = URL(url)
        self._through: set[asyncio.StreamWriter] = set()
        self.is_cut = False
        self.url = ""

    def shake(self) -> None:
        """Every connection is lost; new ones are possible."""
        for writer in self._through:
            writer.close()

    def cut(self) -> None:
        self.is_cut = True
        self.shake()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(self._there.host, self._there.port)
        ends = {writer, far_writer}
        self._through |= ends
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._through -= ends


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def link(url: str) -> AsyncIterator[Link]:
    made = Link(url)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made.url = str(URL(url).with_host("127.0.0.1").with_port(port))
    try:
        yield made
    finally:
        server.close()
        made.shake()
