"""Dead letters as they are shown to people."""

from collections.abc import Iterable
from typing import Any

from services.cli.showing import print_table

_COLUMNS = ("id", "tenant", "webhook", "event", "made", "died", "attempts", "reason", "last error")


def show_rows(rows: Iterable[dict[str, Any]]) -> None:
    print_table(_COLUMNS, (one.values() for one in rows))
