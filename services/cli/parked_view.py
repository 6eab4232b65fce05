"""A parked message as it is shown to people and to programs."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from services.cli.showing import print_fields, print_table
from shared.broker.parked import Parked
from shared.errors import StartupError
from shared.readable import body_fields, plain, readable
from shared.times import iso

_COLUMNS = ("id", "from", "parked", "reason", "tenants", "bytes")


def as_dict(one: Parked) -> dict[str, Any]:
    """What is known of it but the body."""
    return {
        "id": one.id,
        "from": one.came_from,
        "parked_at": iso(one.at) if one.at else None,
        "reason": one.reason,
        "tenants": sorted(one.tenants),
        "routing_key": one.routing_key,
        "message_id": one.message_id,
        "bytes": len(one.body),
    }


def whole(one: Parked) -> dict[str, Any]:
    return {**as_dict(one), "headers": plain(one.headers), **body_fields(one.body)}


def show_rows(rows: Iterable[dict[str, Any]]) -> None:
    print_table(_COLUMNS, map(_cells, rows))


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["id"], row["from"], row["parked_at"], row["reason"], ", ".join(row["tenants"]) or None, row["bytes"]


def tell(equal: list[Parked]) -> None:
    """The first of equal ones, and how many there are."""
    one = equal[0]
    print_fields({**as_dict(one), "tenants": ", ".join(sorted(one.tenants)) or None})
    if len(equal) > 1:
        print(f"equal messages: {len(equal)}")
    print("headers")
    print_fields(plain(one.headers), indent="  ")
    print("body")
    print(readable(one.body))


def write(file: str, body: bytes) -> None:
    """`-` is standard output. Raises StartupError."""
    if file == "-":
        sys.stdout.buffer.write(body)
        return
    try:
        Path(file).write_bytes(body)
    except OSError as error:
        raise StartupError(f"--raw: {file}: {error.strerror}") from None
