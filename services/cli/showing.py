"""What is printed: safe for terminals whatever an endpoint or a producer sent, and JSON for programs."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.readable import plain, printable

_ANY_WIDTH = 100_000
_NOT_ASCII = re.compile(r"[^\n -~]")


def json_line(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def print_json(value: Any) -> None:
    print(harmless(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()))


def print_line(value: Any) -> None:
    """At once, for who reads lines of JSON as they come."""
    print(harmless(orjson.dumps(value).decode()), flush=True)


def harmless(text: str) -> str:
    """The same JSON: what could drive a terminal stands in strings only, where it has another spelling."""
    return _NOT_ASCII.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text)


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
