"""How a webhook's endpoint does: as workers report it, and as the API shows it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, Field

from shared.contracts.delivery import Attempt
from shared.contracts.moment import Shown
from shared.times import iso


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerReport:
    """One worker's breaker is open; `probe_at`: when it lets a request through to see."""

    at: datetime
    probe_at: datetime


@dataclass(frozen=True, slots=True)
class StandingLine:
    """Deliveries stand in line `until` then; `answers`: a count of which only the growth means anything."""

    until: datetime
    answers: int


@dataclass(slots=True)
class News:
    """What one process saw of an endpoint since it last told. `failures` and `days` count from the last success on.

    `answers`: successes of an endpoint that is slow, of which others are not counted.
    """

    webhook_id: str
    tenant_id: str
    success_at: datetime | None = None
    failure_at: datetime | None = None
    slow_at: datetime | None = None
    deferred_until: datetime | None = None
    answers: int = 0
    error: str | None = None
    failures: int = 0
    days: set[str] = field(default_factory=set)

    def succeeded(self, at: datetime) -> None:
        self.success_at = at
        self.failures = 0
        self.days.clear()

    def failed(self, attempt: Attempt) -> None:
        self.failure_at = attempt.at
        self.error = attempt.detail
        self.failures += 1
        self.days.add(attempt.at.date().isoformat())

    def slowed(self, at: datetime) -> None:
        self.slow_at = at

    def deferred(self, until: datetime) -> None:
        self.deferred_until = max(until, self.deferred_until or until)


class WebhookHealth(BaseModel):
    """How its endpoint does; a few seconds old, a success up to a minute."""

    breaker: BreakerState = Field(
        BreakerState.CLOSED,
        description="`open`: it failed again and again, and deliveries wait; `half_open`: one may try whether it works",
    )
    next_probe_at: Shown | None = Field(None, description="when the next delivery may try, while the breaker is open")
    last_success_at: Shown | None = None
    last_failure_at: Shown | None = None
    last_error: str | None = Field(None, description="of the last failure")
    failures: int = Field(0, description="attempts that failed since the last success")

    @classmethod
    def of(cls, document: dict[str, Any] | None, now: datetime, stale: datetime) -> Self:
        """From the stored document, if there is one; reports of breakers from before `stale` count no more."""
        document = document or {}
        probes = [report["probe_at"] for report in document.get("breakers", {}).values() if report["at"] >= stale]
        probe_at = max(probes, default=None)
        return cls(
            breaker=_state(probe_at, now),
            next_probe_at=iso(probe_at) if probe_at else None,
            last_success_at=_shown(document, "last_success_at"),
            last_failure_at=_shown(document, "last_failure_at"),
            last_error=document.get("last_error"),
            failures=document.get("failures", 0),
        )


def _state(probe_at: datetime | None, now: datetime) -> BreakerState:
    if probe_at is None:
        return BreakerState.CLOSED
    return BreakerState.OPEN if now < probe_at else BreakerState.HALF_OPEN


def _shown(document: dict[str, Any], name: str) -> str | None:
    return iso(document[name]) if document.get(name) else None
