"""What ingest counts."""

from collections.abc import Iterable

from prometheus_client import Counter

from shared.errors import Refused
from shared.metrics import each

_UNAVAILABLE = "SERVICE_UNAVAILABLE"
_OTHER = "other"
_CODES = (
    "INVALID_REQUEST",
    "UNAUTHORIZED",
    "INVALID_API_KEY",
    "EXPIRED_API_KEY",
    "INSUFFICIENT_SCOPES",
    "FORBIDDEN",
    "TENANT_MISMATCH",
    "DUPLICATE_ENTRY",
    "PAYLOAD_TOO_LARGE",
    "RATE_LIMIT_EXCEEDED",
    _UNAVAILABLE,
    _OTHER,
)

ACCEPTED = Counter("dispatcher_events_accepted_total", "Events that ingest answered 202 for")
_REFUSED = each(
    Counter("dispatcher_events_refused_total", "Events, or whole requests with events, that ingest refused", ["code"]),
    _CODES,
)


def refused(refusals: Iterable[Refused]) -> None:
    for refusal in refusals:
        _REFUSED.get(refusal.code, _REFUSED[_OTHER]).inc()


def unavailable() -> None:
    _REFUSED[_UNAVAILABLE].inc()
