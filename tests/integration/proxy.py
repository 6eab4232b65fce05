"""A forward proxy on loopback: CONNECT for https, absolute form for http; writes down what it was asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.integration.endpoints import endpoint


@dataclass
class Proxy:
    """`refusal`: what it answers instead of connecting; `targets`: names that it knows better, by host."""

    targets: dict[str, int]
    refusal: bytes = b""
    heads: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def asked(self) -> list[str]:
        """First lines of the requests."""
        return [head.split(b"\r\n")[0].decode() for head in self.heads]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        if self.refusal:
            writer.write(self.refusal)
            await writer.drain()
            return
        authority = target if method == "CONNECT" else target.split("/")[2]
        there, back = await asyncio.open_connection("127.0.0.1", self.targets[authority.partition(":")[0]])
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            back.write(head)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def forward_proxy(targets: dict[str, int], refusal: bytes = b"") -> AsyncIterator[Proxy]:
    made = Proxy(targets, refusal)
    async with endpoint(made.talk) as made.port:
        yield made
