"""What a command is given beside plain options: JSON, files, standard input."""

import asyncio
import os
import stat
import sys
from pathlib import Path

import msgspec

from shared.errors import StartupError

_CHUNK = 1024 * 1024


def json_given(option: str, text: str | None) -> msgspec.Raw | None:
    """JSON as it stands, or `@` and the file that it is in. Raises StartupError, which names the option."""
    if text is None:
        return None
    raw = read_file(option, Path(text[1:])) if text.startswith("@") else text.encode("utf-8", "surrogateescape")
    try:
        return msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StartupError(f"{option}: not JSON: {error}; @FILE reads a file") from None


def secret_in(option: str, file: Path) -> str:
    """The text of a file without the end of its line. Raises StartupError, which does not quote it."""
    try:
        text = read_file(option, file).decode().strip("\r\n")
    except UnicodeDecodeError:
        raise StartupError(f"{option}: {file}: not text") from None
    if not text:
        raise StartupError(f"{option}: {file}: is empty")
    return text


def read_file(option: str, file: Path) -> bytes:
    """Raises StartupError, which names the option."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise StartupError(f"{option}: {file}: {error.strerror}") from None


async def standard_input() -> bytes:
    """All of it, read as it comes, so that waiting for it can be given up."""
    descriptor = sys.stdin.fileno()
    if stat.S_ISREG(os.fstat(descriptor).st_mode):  # always there, and nothing that could be waited for
        return sys.stdin.buffer.read()
    if sys.stdin.isatty():
        print("reading from the terminal: Ctrl-D ends it", file=sys.stderr)
    loop = asyncio.get_running_loop()
    chunks: list[bytes] = []
    ended = loop.create_future()

    def take() -> None:
        """Called when there is something, so that reading does not block."""
        chunk = os.read(descriptor, _CHUNK)
        chunks.append(chunk)
        if not chunk and not ended.done():
            ended.set_result(None)

    loop.add_reader(descriptor, take)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)
    return b"".join(chunks)
