"""Stored bytes as pages show them: JSON indented, other text as it is, what is no text as a hex dump. Pure."""

from dataclasses import dataclass

from shared.readable import printable, readable

_INDENTED_AT_MOST = 256 * 1024
_CHARACTERS = 60_000
_DUMPED = 2_048


@dataclass(frozen=True, slots=True)
class ShownBody:
    """`cut`: there is more of it."""

    text: str
    cut: bool


def shown_body(body: bytes) -> ShownBody:
    """However large it is, a page of it stays small; no character in it is anything but text."""
    if not _is_text(body):
        return ShownBody(_dump(body[:_DUMPED]), len(body) > _DUMPED)
    if len(body) <= _INDENTED_AT_MOST:
        text = readable(body)
        return ShownBody(text[:_CHARACTERS], len(text) > _CHARACTERS)
    return ShownBody(printable(body[:_CHARACTERS].decode("utf-8", "ignore"), keep="\n\t"), True)


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _dump(body: bytes) -> str:
    return "\n".join(_line(offset, body[offset : offset + 16]) for offset in range(0, len(body), 16))


def _line(offset: int, line: bytes) -> str:
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in line)
    return f"{offset:06x}  {line.hex(' '):<47}  {text}"
