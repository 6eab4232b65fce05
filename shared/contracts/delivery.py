"""A delivery, its attempts, and the decisions that move it on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

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


class ErrorKind(StrEnum):
    """Why an attempt failed, in one word of the history."""

    TIMEOUT = "timeout"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    RESET = "reset"
    HTTP_STATUS = "http_status"
    BLOCKED_ADDRESS = "blocked_address"
    MALFORMED_ANSWER = "malformed_answer"


class WaitingFor(StrEnum):
    """Why a delivery waits."""

    RETRY = "retry"
    ANSWER = "answer"  # a request is under way; due_at is when somebody looks whether its worker died
    SLOT = "slot"  # the endpoint had no room
    RESUME = "resume"  # the webhook is paused
    FAULT = "fault"  # our own trouble


@dataclass(frozen=True, slots=True)
class Attempt:
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


@dataclass(frozen=True, slots=True)
class Step:
    """One write of a delivery's life: the attempt, if there was one, and what is next."""

    delivery_id: str
    turn: int
    decision: Decision
    attempt: Attempt | None = None


class AttemptRecord(BaseModel):
    """An attempt as the history shows it."""

    n: int
    round: int
    at: str
    duration_ms: int
    outcome: str
    status_code: int | None
    error: str | None
    detail: str | None
    answer: str | None = Field(description="the first KiB of the answer's body")


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
    due_at: str | None
    round: int
    attempt_count: int
    created_at: str
    ended_at: str | None
    attempts: list[AttemptRecord]

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
