"""What a delivery worker counts."""

from collections import Counter as Tally
from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from shared.contracts.delivery import Attempt, Outcome, Step, Wait, WaitingFor
from shared.contracts.failure import ErrorKind
from shared.contracts.message import QueuedDelivery
from shared.metrics import NONE, each, ended

_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_AFTER_A_STEP: list[WaitingFor | None] = [
    reason for reason in WaitingFor if reason not in (WaitingFor.ORDER, WaitingFor.NEWER)
]
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)

ATTEMPTS = each(
    Counter("dispatcher_attempts_total", "HTTP requests made", ["outcome", "error"]),
    [
        (Outcome.SUCCEEDED, NONE),
        (Outcome.GONE, ErrorKind.HTTP_STATUS),
        *((Outcome.RETRY, error) for error in ErrorKind),
    ],
)
ATTEMPT_SECONDS = Histogram("dispatcher_attempt_duration_seconds", "Length of one attempt", buckets=(*_SHORT, 60))
FIRST_ATTEMPT_SECONDS = Histogram(
    "dispatcher_publish_to_first_attempt_seconds",
    "From an event's publication to the first request, of deliveries that nothing but us kept waiting",
    buckets=(*_SHORT, 60, 300, 1800),
)
DELIVERED_SECONDS = Histogram(
    "dispatcher_publish_to_delivered_seconds",
    "From an event's publication (after a retry: its fan-out or round) to a 2xx answer",
    buckets=(*_SHORT, 60, 300, 1800, 7200, 28800, 86400),
)
WAITS = each(
    Counter("dispatcher_deliveries_put_off_total", "Deliveries that wait after a step, by what for", ["waiting_for"]),
    _AFTER_A_STEP,
)
BREAKERS_OPEN = Gauge("dispatcher_breakers_open", "Endpoints that failed again and again, as this worker sees it")
IN_FLIGHT = each(
    Gauge("dispatcher_requests_in_flight", "Requests under way in this worker", ["pace"]), ("quick", "slow")
)
BATCH = Histogram("dispatcher_record_batch_deliveries", "Deliveries written at once", buckets=_SIZES)


def attempted(attempt: Attempt, seconds: float) -> None:
    ATTEMPTS[attempt.outcome, attempt.error or NONE].inc()
    ATTEMPT_SECONDS.observe(seconds)


def waited(queued: QueuedDelivery, attempt: Attempt, now: datetime) -> None:
    """Since its event was published, as far as its message says when that was: what waited its turn does not."""
    if attempt.n == 1 and queued.published_at:
        FIRST_ATTEMPT_SECONDS.observe(max(0.0, attempt.at.timestamp() - queued.published_at))
    if attempt.outcome is Outcome.SUCCEEDED:
        DELIVERED_SECONDS.observe(max(0.0, now.timestamp() - (queued.published_at or queued.created_at)))


def decided(steps: Sequence[Step]) -> None:
    """Written together."""
    BATCH.observe(len(steps))
    kinds = Tally((type(step.decision), getattr(step.decision, "reason", None)) for step in steps)
    for (kind, reason), times in kinds.items():
        if kind is Wait:
            WAITS[reason].inc(times)
        else:
            ended(kind.__name__.lower(), reason, times)
