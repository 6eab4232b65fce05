"""Lists and single things as commands show them: lines for people, JSON for programs."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from services.cli.client import Answer, Rows
from services.cli.running import DONE
from services.cli.showing import print_fields, print_json, print_table
from services.cli.tally import counted

Column = str | Callable[[Mapping[str, Any]], Any]
"""A field, `health.breaker` of what is inside another, or what makes a cell of a row."""


def show_rows(found: Rows, *, name: str, noun: str, columns: Mapping[str, Column], as_json: bool) -> int:
    """`name`: what the API calls the list. `columns`: by their titles."""
    if as_json:
        print_json({name: found.rows, "more": found.more})
        return DONE
    print_table(list(columns), ([_cell(row, column) for column in columns.values()] for row in found.rows))
    more = ", and there are more: say --limit" if found.more else ""
    print(f"{counted(len(found.rows), noun)}{more}")
    return DONE


def show_one(answer: Answer, *, as_json: bool) -> int:
    if as_json:
        print(answer.indented)
    else:
        print_all(answer.json)
    return DONE


def print_all(fields: Mapping[str, Any], indent: str = "") -> None:
    """Every field that has a value."""
    for name, value in fields.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            print_all(value, indent + "  ")
        else:
            print_fields({name: _plain(value)}, indent)


def _cell(row: Mapping[str, Any], column: Column) -> Any:
    if callable(column):
        return _plain(column(row))
    value: Any = row
    for name in column.split("."):
        value = value.get(name) if value else None
    return _plain(value)


def _plain(value: Any) -> Any:
    match value:
        case bool():
            return "yes" if value else "no"
        case list() if all(isinstance(one, str) for one in value):
            return ", ".join(value) or None
        case list() | dict():
            return orjson.dumps(value).decode()
        case _:
            return value
