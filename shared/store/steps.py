"""A step of a delivery's life as writes. Pure: writing them again changes nothing, whoever repeats them."""

from datetime import datetime, timedelta
from typing import Any, assert_never

from bson.binary import Binary
from pymongo import UpdateOne

from shared.contracts.delivery import (
    ATTEMPTS_KEPT,
    LIVE,
    Attempt,
    Cancelled,
    Dead,
    Status,
    Step,
    Succeeded,
    Wait,
    WaitingFor,
)

Document = dict[str, Any]
_ANOTHER_SLOT = (WaitingFor.RETRY, WaitingFor.RETRY_AFTER, WaitingFor.SLOT)
"""Behind these comes another request than the one that had a slot of the rate limit."""
LIVE_STATUSES = [status.value for status in LIVE]


def operations(step: Step, now: datetime, retention: timedelta) -> list[UpdateOne]:
    """Success always wins. Any other decision counts only under its own turn and while the delivery lives."""
    changes = _changes(step, _attempt_end(step) or now, retention)
    if step.attempt is None:
        return [UpdateOne(_own_turn(step), changes)]
    made = attempt_document(step.attempt)
    if isinstance(step.decision, Succeeded) and step.attempt.n <= ATTEMPTS_KEPT:
        # By id alone, which the database answers without planning; a repeated write finds its attempt there.
        return [UpdateOne({"_id": step.delivery_id}, {**changes, "$addToSet": {"attempts": made}})]
    new = {"attempts.key": {"$ne": step.attempt.key}}
    push = {"attempts": {"$each": [made], "$slice": -ATTEMPTS_KEPT}}
    if isinstance(step.decision, Succeeded):
        return [UpdateOne({"_id": step.delivery_id, **new}, {**changes, "$push": push})]
    return [
        UpdateOne({**_own_turn(step), **new}, {**changes, "$push": push}),
        UpdateOne({"_id": step.delivery_id, **new}, {"$push": push}),  # too late: history only
    ]


def ending(status: Status, reason: str | None, ended: datetime, retention: timedelta) -> Document:
    """The update that ends a delivery; from then on it is kept for `retention`."""
    values = {"status": status, "ended_at": ended, "expires_at": ended + retention}
    over = {"due_at": "", "waiting_for": "", "order": ""}
    if reason is None:
        return {"$set": values, "$unset": {**over, "reason": ""}}
    return {"$set": {**values, "reason": reason}, "$unset": over}


def _changes(step: Step, ended: datetime, retention: timedelta) -> Document:
    """`$set` and `$unset` of a decision."""
    match step.decision:
        case Succeeded():
            update = ending(Status.SUCCEEDED, None, ended, retention)
        case Dead(reason=reason):
            update = ending(Status.DEAD, reason, ended, retention)
        case Cancelled(reason=reason):
            update = ending(Status.CANCELLED, reason, ended, retention)
        case Wait(due_at=due_at, reason=why):
            update = {"$set": {"status": Status.WAITING, "due_at": due_at, "waiting_for": why}}
            if why == WaitingFor.RATE_LIMIT:
                update["$set"]["slot_at"] = due_at
            elif why in _ANOTHER_SLOT:
                update["$unset"] = {"slot_at": ""}
        case _:
            assert_never(step.decision)
    if step.attempt:
        update["$set"] |= {"faults": 0, "attempt_count": step.attempt.n, "answered": answered(step.attempt)}
    return update


def answered(attempt: Attempt) -> int | str | None:
    """What histories are searched by: the status of the answer, or what kept one from coming."""
    return attempt.status_code if attempt.status_code is not None else attempt.error


def _attempt_end(step: Step) -> datetime | None:
    """When its attempt ended: the same whenever it is written."""
    return step.attempt.at + timedelta(milliseconds=step.attempt.duration_ms) if step.attempt else None


def _own_turn(step: Step) -> Document:
    return {"_id": step.delivery_id, "turn": step.turn, "status": {"$in": LIVE_STATUSES}}


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    document: dict[str, Any] = {
        "key": attempt.key,
        "n": attempt.n,
        "turn": attempt.turn,
        "round": attempt.round,
        "at": attempt.at,
        "duration_ms": attempt.duration_ms,
        "outcome": attempt.outcome,
    }
    if attempt.status_code is not None:
        document["status_code"] = attempt.status_code
    if attempt.error is not None:
        document |= {"error": attempt.error, "detail": attempt.detail}
    if attempt.answer:
        document["answer"] = Binary(attempt.answer)
    return document
