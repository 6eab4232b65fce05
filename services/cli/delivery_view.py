"""A delivery as it is shown to people."""

from collections.abc import Mapping
from typing import Any

from services.cli.listing import Column
from services.cli.showing import print_fields
from shared.readable import readable


def why(delivery: Mapping[str, Any]) -> str | None:
    """It ended so, or waits for that."""
    found: str | None = delivery["reason"] or delivery["waiting_for"]
    return found


def last_answer(delivery: Mapping[str, Any]) -> str | None:
    """The status of the last attempt, or what kept an answer from coming."""
    if not delivery["attempts"]:
        return None
    last = delivery["attempts"][-1]
    return str(last["status_code"] or last["error"])


COLUMNS: dict[str, Column] = {
    "id": "id",
    "tenant": "tenant_id",
    "webhook": "webhook_id",
    "event": "event",
    "made": "created_at",
    "status": "status",
    "why": why,
    "attempts": "attempt_count",
    "last answer": last_answer,
    "due": "due_at",
}


def tell(delivery: Mapping[str, Any]) -> None:
    """Whatever a record has is shown."""
    fields = dict(delivery)
    attempts, body = fields.pop("attempts"), fields.pop("body")
    print_fields(fields)
    for attempt in attempts:
        print(f"attempt {attempt['n']}")
        print_fields({name: value for name, value in attempt.items() if name != "n"}, indent="  ")
    print("body" if body is not None else "body: its event is no longer kept")
    if body is not None:
        print(readable(body.encode()))
