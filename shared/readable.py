"""What strangers sent, for people's eyes: text in which nothing hides or drives a terminal, and JSON indented. Pure."""

from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from shared.times import iso


def printable(text: str, keep: str = "") -> str:
    """Control characters, and others that move or hide what is beside them, as escapes; not those in `keep`."""
    if text.translate(dict.fromkeys(map(ord, keep))).isprintable():
        return text
    return "".join(char if char in keep or char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode()


def readable(body: bytes) -> str:
    """A body for people: JSON indented, its numbers as they stand; bytes that are no UTF-8 as escapes."""
    with suppress(msgspec.DecodeError, RecursionError):
        body = msgspec.json.format(body, indent=2)
    return printable(body.decode("utf-8", "backslashreplace"), keep="\n\t")


def plain(value: Any) -> Any:
    """Anything that a header may hold, as JSON can."""
    match value:
        case None | bool() | int() | float():
            return value
        case datetime():
            return iso(value)
        case bytes() | bytearray():
            return body_fields(bytes(value))
        case Mapping():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            return str(value)


def body_fields(body: bytes) -> dict[str, str]:
    """As text where it is text; else nothing but base64 keeps it."""
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": b64encode(body).decode()}
