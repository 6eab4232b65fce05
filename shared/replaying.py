"""What a replay is about, as its document says: the API counts by it, the scheduler goes through it. Pure."""

from typing import Any

from shared.contracts.delivery import Status
from shared.contracts.history import Narrowing


def narrowing(job: dict[str, Any]) -> Narrowing:
    return Narrowing(event_type=job["event_type"], since=job["since"], until=job["until"])


def statuses(job: dict[str, Any]) -> list[str]:
    """Folded updates were replaced by newer ones, and are not sent again."""
    return [Status.DEAD] if job["which"] == "failed" else [Status.DEAD, Status.SUCCEEDED, Status.CANCELLED]
