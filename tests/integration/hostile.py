"""Endpoints that misbehave, as data: how each talks, and what its attempt has to be called."""

import asyncio
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.contracts.failure import ErrorKind
from tests.integration.endpoints import Talk, request

Writing = Callable[[asyncio.StreamWriter], Awaitable[None]]
BOMB = gzip.compress(bytes(50_000_000))
FLOOD = 64 * 1024


@dataclass(frozen=True)
class Hostile:
    """`words`: a part of the attempt's detail. `tls`: it speaks TLS with a certificate for these names."""

    talk: Talk
    kind: ErrorKind
    words: str
    tls: tuple[str, ...] = ()
    days: tuple[int, int] = (-1, 1)


def after_request(write: Writing) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        await write(writer)

    return talk


def once(raw: bytes) -> Talk:
    """Sends this and hangs up."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return after_request(write)


def endless(start: bytes, again: bytes) -> Talk:
    """Sends `again` for ever, as fast as it is taken."""
    block = again * max(1, FLOOD // len(again))

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(block)
            await writer.drain()

    return after_request(write)


def dripping(start: bytes, drop: bytes) -> Talk:
    """Sends one drop at a time, often enough that no timeout between two of them would end it."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.05)

    return after_request(write)


async def _reset_in_mid_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    await writer.drain()
    await asyncio.sleep(0.1)  # else the reset overtakes what was sent
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def _never_reads(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _plain_text(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


HEAD = b"HTTP/1.1 500 Oh\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_BOMB_HEAD = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
_MALFORMED, _RESET, _TIMEOUT, _TLS = (
    ErrorKind.MALFORMED_ANSWER,
    ErrorKind.RESET,
    ErrorKind.TIMEOUT,
    ErrorKind.TLS,
)

HOSTILE = {
    "gzip bomb": Hostile(once(HEAD + _BOMB_HEAD + BOMB), ErrorKind.HTTP_STATUS, "answered 500"),
    "endless gzip": Hostile(
        endless(HEAD + b"Content-Encoding: gzip\r\n\r\n" + BOMB[:20], BOMB[20:10_020]),
        ErrorKind.HTTP_STATUS,
        "answered 500",
    ),
    "endless body": Hostile(endless(CHUNKED, b"1000\r\n" + b"x" * 0x1000 + b"\r\n"), ErrorKind.HTTP_STATUS, "500"),
    "endless chunk extensions": Hostile(
        endless(CHUNKED, b"1;" + b"a" * 4_000 + b"\r\nx\r\n"), _MALFORMED, "too much around it"
    ),
    "one endless chunk extension": Hostile(endless(CHUNKED + b"1;", b"a" * 4_000), _MALFORMED, "too much around it"),
    "endless trailers": Hostile(endless(CHUNKED + b"0\r\n", b"X-Trailer: " + b"a" * 50 + b"\r\n"), _MALFORMED, ""),
    "endless headers": Hostile(endless(HEAD, b"X-A: b\r\n"), _MALFORMED, "it has more than 128 headers"),
    "endless header": Hostile(endless(HEAD + b"X-A: ", b"b" * 1_000), _MALFORMED, "longer than 8190 bytes"),
    "endless header name": Hostile(endless(HEAD, b"b" * 1_000), _MALFORMED, "longer than 8190 bytes"),
    "endless status line": Hostile(endless(b"HTTP/1.1 500 ", b"b" * 1_000), _MALFORMED, "longer than 8190 bytes"),
    "a large head": Hostile(
        once(HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"b" * 8_000) for n in range(100)) + b"\r\n"),
        _MALFORMED,
        "its head is longer than 32 KiB",
    ),
    "100,000 headers": Hostile(
        once(HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(100_000)) + b"Content-Length: 0\r\n\r\n"),
        _MALFORMED,
        "it has more than 128 headers",
    ),
    "endless interim answers": Hostile(
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), _MALFORMED, "its head is longer than 32 KiB"
    ),
    "endless early hints": Hostile(
        endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), _MALFORMED, "its head is longer than 32 KiB"
    ),
    "one byte of a body at a time": Hostile(
        dripping(HEAD + b"Content-Length: 1000000\r\n\r\n", b"."), _TIMEOUT, "bytes of the body had come"
    ),
    "one header at a time": Hostile(dripping(HEAD, b"X: y\r\n"), _TIMEOUT, "a part of its head had come"),
    "one byte of a head at a time": Hostile(dripping(b"HTTP/1.1 ", b"2"), _MALFORMED, ""),
    "no answer": Hostile(_silent, _TIMEOUT, "connected, but no answer came within"),
    "a request that is not read": Hostile(_never_reads, _TIMEOUT, "connected, but no answer came within"),
    "reset in mid-body": Hostile(after_request(_reset_in_mid_body), _RESET, "in the middle of the answer, after"),
    "hanging up": Hostile(once(b""), _RESET, "the connection ended without an answer"),
    "hanging up in mid-head": Hostile(once(HEAD + b"X-A: b"), _RESET, "in the middle of the answer, after"),
    "hanging up in a chunk": Hostile(once(CHUNKED + b"ff\r\nhalf"), _RESET, "ended in the middle of the answer"),
    "content length too large": Hostile(once(HEAD + b"Content-Length: 10\r\n\r\nhalf"), _RESET, "in the middle"),
    "content length too small": Hostile(once(HEAD + b"Content-Length: 0\r\n\r\nmore"), _MALFORMED, "“more”"),
    "content length negative": Hostile(once(HEAD + b"Content-Length: -1\r\n\r\n"), _MALFORMED, "Content-Length"),
    "content length no number": Hostile(once(HEAD + b"Content-Length: ten\r\n\r\n"), _MALFORMED, "Content-Length"),
    "content length beyond numbers": Hostile(
        once(HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n"), _MALFORMED, "Content-Length"
    ),
    "two content lengths": Hostile(
        once(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), _MALFORMED, "Content-Length"
    ),
    "a chunk of no size": Hostile(once(CHUNKED + b"zz\r\nhalf\r\n"), _MALFORMED, ""),
    "HTTP/0.9": Hostile(once(b"<html>hello</html>"), _MALFORMED, "<html>hello</html>"),
    "another protocol": Hostile(once(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), _MALFORMED, "SSH-2.0-OpenSSH_9.2"),
    "zeros": Hostile(once(bytes(1000)), _MALFORMED, "not well-formed HTTP"),
    "a header without a name": Hostile(once(HEAD + b": b\r\n\r\n"), _MALFORMED, "not well-formed HTTP"),
    "a null in a header": Hostile(once(HEAD + b"X-A: a\x00b\r\n\r\n"), _MALFORMED, "not well-formed HTTP"),
    "another protocol from now on": Hostile(
        endless(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"x" * 1000),
        ErrorKind.HTTP_STATUS,
        "answered 101",
    ),
    "a redirect for ever": Hostile(
        once(b"HTTP/1.1 308 On\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
        ErrorKind.HTTP_STATUS,
        "308 Permanent Redirect; redirects are not followed",
    ),
    "TLS with a wrong name": Hostile(
        once(b""), _TLS, "the certificate is for *.example.com, not for localhost", ("*.example.com",)
    ),
    "TLS that is over": Hostile(once(b""), _TLS, "the certificate expired on 20", ("localhost",), (-9, -2)),
    "TLS that has not begun": Hostile(
        once(b""), _TLS, "the certificate is not valid yet, until 20", ("localhost",), (2, 9)
    ),
}
