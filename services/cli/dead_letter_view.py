"""A dead letter as it is shown to people and to programs."""

from collections.abc import Iterable
from typing import Any

from services.cli.showing import print_fields, print_table
from shared.contracts.delivery import DeliveryDetail
from shared.readable import readable

_COLUMNS = ("id", "tenant", "webhook", "event", "made", "died", "attempts", "reason", "last error")


def show_rows(rows: Iterable[dict[str, Any]]) -> None:
    print_table(_COLUMNS, (one.values() for one in rows))


def tell(detail: DeliveryDetail) -> None:
    """Whatever a record has is shown."""
    fields = detail.model_dump()
    attempts, body = fields.pop("attempts"), fields.pop("body")
    print_fields(fields)
    for attempt in attempts:
        print(f"attempt {attempt.pop('n')}")
        print_fields(attempt, indent="  ")
    print("body" if body is not None else "body: its event is no longer kept")
    if body is not None:
        print(readable(body.encode()))
