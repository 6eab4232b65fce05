"""HTTP written by hand, for requests that no client library would send."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(
    method: str, target: str | bytes, headers: dict[str, str | bytes] | None = None, body: bytes | None = None
) -> bytes:
    """One request as bytes, every part as it is given; a body whose length nobody named gets the right one."""
    lines = {"Host": "localhost", "Connection": "close", **(headers or {})}
    if body is not None and not {"Content-Length", "Transfer-Encoding"} & set(lines):
        lines["Content-Length"] = str(len(body))
    head = [_bytes(method) + b" " + _bytes(target) + b" HTTP/1.1"]
    head += [name.encode() + b": " + _bytes(value) for name, value in lines.items()]
    return b"\r\n".join([*head, b"", b""]) + (body or b"")


def chunked(body: bytes, size: int = 64 * 1024) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


async def exchange(url: str, raw: bytes) -> Answer:
    """Reads until the server closes; a server that answers before it has read everything is right."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            writing = asyncio.create_task(_write(writer, raw))
            received = await _read(reader)
            await writing
        return _parsed(received)
    finally:
        writer.close()


async def _write(writer: asyncio.StreamWriter, raw: bytes) -> None:
    with suppress(ConnectionError):
        writer.write(raw)
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    with suppress(ConnectionError):
        while part := await reader.read(64 * 1024):
            received += part
    return bytes(received)


def _parsed(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Answer(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)


def _bytes(given: str | bytes) -> bytes:
    return given.encode() if isinstance(given, str) else given
