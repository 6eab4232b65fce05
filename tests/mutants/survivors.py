"""Reads the list of changes that no test need notice. A change is known by its function and its lines, so that it is
found again wherever they move."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Change:
    """`was` became `now` in `function` (dotted, with its module)."""

    function: str
    was: str
    now: str


def read_survivors(path: Path) -> dict[Change, str]:
    """The reason of each. KeyError when an entry lacks a field."""
    entries = tomllib.loads(path.read_text("utf-8")).get("survivor", [])
    return {Change(entry["function"], entry["was"], entry["now"]): entry["reason"] for entry in entries}
