"""What is printed: safe for terminals whatever an endpoint or a producer sent, and JSON for programs."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.times import iso

_ANY_WIDTH = 100_000


def printable(text: str, keep: str = "") -> str:
    """Control characters, and others that move or hide what is beside them, as escapes; not those in `keep`."""
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


def json_line(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def print_json(value: Any) -> None:
    print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def print_table(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """A row is a line, however wide: ids are there to be copied."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console(width=_ANY_WIDTH)
    with console.capture() as lines:
        console.print(table)
    print("\n".join(line.rstrip() for line in lines.get().splitlines()))


def _cell(value: Any) -> str:
    return "-" if value is None else printable(str(value))


def print_fields(fields: Mapping[str, Any], indent: str = "") -> None:
    """A line for each that has a value."""
    for name, value in fields.items():
        if value is not None:
            print(f"{indent}{printable(name)}: {printable(str(plain(value)))}")
