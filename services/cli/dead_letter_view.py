"""A dead letter as it is shown to people and to programs."""

from collections.abc import Iterable
from typing import Any

from services.cli.showing import print_fields, print_table, readable
from shared.contracts.delivery import DeliveryDetail
from shared.store.mongo import Document
from shared.times import iso

_COLUMNS = ("id", "tenant", "webhook", "event", "made", "died", "attempts", "reason", "last error")


def row(document: Document) -> dict[str, Any]:
    """From the stored document, of which the last attempt is enough."""
    last = document["attempts"][-1] if document["attempts"] else {}
    return {
        "id": document["_id"],
        "tenant_id": document["tenant_id"],
        "webhook_id": document["webhook_id"],
        "event": document["event"],
        "created_at": iso(document["created_at"]),
        "ended_at": iso(document["ended_at"]),
        "attempt_count": document["attempt_count"],
        "reason": document.get("reason"),
        "last_error": last.get("detail") or last.get("error"),
    }


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
