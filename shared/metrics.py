"""What more than one service counts, named by Prometheus' rules; what only one counts is in its own `metrics`.

No label grows with customers: the values of each are listed here, and their series exist from the start.
"""

from collections.abc import Hashable, Iterable
from typing import TypeVar

from prometheus_client import Counter, Gauge
from prometheus_client.metrics import MetricWrapperBase

from shared import VERSION
from shared.broker.topology import WORK

Value = TypeVar("Value", bound=Hashable)
Metric = TypeVar("Metric", bound=MetricWrapperBase)

NONE = "none"
_DEAD_FOR = ("attempts_exhausted", "expired", "gone", "webhook_inactive", "internal", "event_missing", "other")
_CANCELLED_FOR = ("webhook_deleted", "cancelled_by_customer", "other")
_ENDS = (
    ("succeeded", NONE),
    ("folded", NONE),
    *(("dead", reason) for reason in _DEAD_FOR),
    *(("cancelled", reason) for reason in _CANCELLED_FOR),
)


def each(metric: Metric, values: Iterable[Value]) -> dict[Value, Metric]:
    """Its series for each of these values of its label, or of its labels together.

    Made once: finding one by its labels takes longer than counting.
    """
    return {value: metric.labels(*(value if isinstance(value, tuple) else (value,))) for value in values}


BUILD = Gauge("dispatcher_build_info", "Always 1; what runs in this process", ["component", "version"])
DEPENDENCY_UP = Gauge("dispatcher_dependency_up", "1: it answers, as /readyz would say", ["dependency"])
DEPENDENCY_FAILURES = each(
    Counter("dispatcher_dependency_failures_total", "Operations that have to be tried again", ["dependency"]),
    ("mongodb", "rabbitmq"),
)
RECONNECTS = Counter("dispatcher_rabbitmq_reconnects_total", "Connections or channels that were lost and made again")
CLOCK_OFFSET = Gauge("dispatcher_clock_offset_seconds", "The database's clock minus this machine's")
FAULTS = each(
    Counter("dispatcher_faults_total", "Trouble of our own: a secret whose key is missing, or a bug", ["kind"]),
    ("secret", "bug"),
)
PARKED = each(Counter("dispatcher_messages_parked_total", "Messages parked as unusable", ["queue"]), WORK)
RELEASED = each(
    Counter("dispatcher_deliveries_released_total", "Deliveries handed to the broker again", ["why"]),
    ("due", "lost", "order"),
)
_ENDED = each(Counter("dispatcher_deliveries_ended_total", "Deliveries by their end", ["status", "reason"]), _ENDS)


def running(component: str) -> None:
    """A service that this process is, or one of several."""
    BUILD.labels(component, VERSION).set(1)


def ended(status: str, reason: str | None, deliveries: int = 1) -> None:
    """Deliveries ended so; a reason that is not listed counts as `other`."""
    end = (status, reason or NONE)
    _ENDED[end if end in _ENDED else (status, "other")].inc(deliveries)
