"""A delivery, its attempts, and the decisions that move it on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, computed_field

from shared.contracts.cell import Cell
from shared.contracts.failure import ErrorKind, advice
from shared.contracts.moment import Shown
from shared.times import iso

ATTEMPTS_KEPT = 30
ANSWER_KEPT_BYTES = 1024


class Status(StrEnum):
    PENDING = "pending"  # the broker owns it
    WAITING = "waiting"  # the clock owns it: somebody looks again at due_at
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"
    FOLDED = "folded"


LIVE = (Status.PENDING, Status.WAITING)


class Outcome(StrEnum):
    """What an attempt's answer means."""

    SUCCEEDED = "succeeded"
    RETRY = "retry"
    GONE = "gone"


class WaitingFor(StrEnum):
    """Why a delivery waits."""

    RETRY = "retry"
    RETRY_AFTER = "retry_after"  # the endpoint itself said when to come back
    ANSWER = "answer"  # a request is under way; due_at is when somebody looks whether its worker died
    SLOT = "slot"  # the endpoint had no room, or fails again and again; due_at is its place in line
    RATE_LIMIT = "rate_limit"  # the webhook's own limit; due_at is its slot
    RESUME = "resume"  # the webhook is paused
    FAULT = "fault"  # our own trouble
    ORDER = "order"  # the webhook is ordered, and an earlier delivery has not ended; nobody looks at a due_at
    NEWER = "newer"  # a newer update of its session, which takes its place; at due_at it is sent


class Attempt(msgspec.Struct, frozen=True):
    """One HTTP request. `key` is unique, so that writing it again changes nothing."""

    key: str
    n: int
    turn: int
    round: int
    at: datetime
    duration_ms: int
    outcome: Outcome
    status_code: int | None = None
    error: ErrorKind | None = None
    detail: str | None = None
    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Succeeded:
    pass


@dataclass(frozen=True, slots=True)
class Wait:
    """Looked at again at `due_at`."""

    due_at: datetime
    reason: WaitingFor


@dataclass(frozen=True, slots=True)
class Dead:
    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    reason: str


Decision = Succeeded | Wait | Dead | Cancelled


class Step(msgspec.Struct, frozen=True):
    """One write of a delivery's life: the attempt, if there was one, and what is next.

    `created_at` is the delivery's, as in its document: by it and the tenant it is counted. `in_order_of` is its
    webhook, if that is ordered: when this one has ended the next one's turn has come.
    """

    delivery_id: str
    tenant_id: str
    created_at: datetime
    turn: int
    decision: Decision
    attempt: Attempt | None = None
    in_order_of: str | None = None

    @property
    def cell(self) -> Cell:
        return Cell.of(self.tenant_id, self.created_at)


class AttemptRecord(BaseModel):
    """An attempt as the history shows it."""

    n: int
    round: int
    at: Shown
    duration_ms: int
    outcome: str
    status_code: int | None
    error: str | None
    detail: str | None = Field(description="what happened, in words; null for a success")
    answer: str | None = Field(description="the first KiB of the answer's body")

    @computed_field(description="what to do about it; null for a success")  # type: ignore[prop-decorator]  # pydantic's
    @property
    def advice(self) -> str | None:
        return advice(self.error, self.status_code)


class DeliveryRecord(BaseModel):
    """A delivery as the API and the dead-letter message show it."""

    model_config = ConfigDict(use_enum_values=True)

    id: str
    tenant_id: str
    webhook_id: str
    event_id: str
    event: str
    status: Status
    reason: str | None
    waiting_for: str | None
    due_at: Shown | None
    round: int
    attempt_count: int
    created_at: Shown
    ended_at: Shown | None
    attempts: list[AttemptRecord]
    folded_into: str | None = Field(None, description="the newer delivery that was sent in its place")
    sequence: int | None = Field(None, description="its place in the order of an ordered webhook's deliveries")

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """From the stored document."""
        moment = {name: iso(document[name]) if document.get(name) else None for name in ("due_at", "ended_at")}
        return cls(
            id=document["_id"],
            tenant_id=document["tenant_id"],
            webhook_id=document["webhook_id"],
            event_id=document["event_id"],
            event=document["event"],
            status=document["status"],
            reason=document.get("reason"),
            waiting_for=document.get("waiting_for"),
            round=document["round"],
            attempt_count=document["attempt_count"],
            created_at=iso(document["created_at"]),
            attempts=[_attempt_record(attempt) for attempt in document["attempts"]],
            folded_into=document.get("folded_into"),
            sequence=document.get("sequence"),
            **moment,
        )


class DeliveryDetail(DeliveryRecord):
    """One delivery with the body that was posted; null when its event is no longer kept."""

    body: str | None

    @classmethod
    def with_body(cls, document: dict[str, Any], body: bytes | None) -> Self:
        record = DeliveryRecord.of(document).model_dump()
        return cls(**record, body=body.decode() if body is not None else None)


def _attempt_record(attempt: dict[str, Any]) -> AttemptRecord:
    return AttemptRecord(
        n=attempt["n"],
        round=attempt["round"],
        at=iso(attempt["at"]),
        duration_ms=attempt["duration_ms"],
        outcome=attempt["outcome"],
        status_code=attempt.get("status_code"),
        error=attempt.get("error"),
        detail=attempt.get("detail"),
        answer=attempt["answer"].decode("utf-8", "replace") if attempt.get("answer") else None,
    )
