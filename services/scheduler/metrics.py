"""What a scheduler measures. Each of several sees the same queues and the same database: look at the largest."""

from prometheus_client import Gauge, Histogram

from shared.broker.topology import QUEUES
from shared.metrics import each

_SPANS = ("overdue", "within_a_minute", "within_an_hour", "within_8_hours", "later")

QUEUE_MESSAGES = each(
    Gauge("dispatcher_queue_messages", "Messages in a queue that nobody holds", ["queue"]),
    [queue.name for queue in QUEUES],
)
QUEUE_CONSUMERS = each(
    Gauge("dispatcher_queue_consumers", "Consumers of a queue", ["queue"]), [queue.name for queue in QUEUES]
)
WAITING = each(
    Gauge("dispatcher_deliveries_waiting", "Deliveries that wait, by when they are due; 2000 means or more", ["due"]),
    _SPANS,
)
OVERDUE_SECONDS = Gauge("dispatcher_deliveries_overdue_seconds", "How long the first delivery in line is overdue")
RELEASE_LAG_SECONDS = Histogram(
    "dispatcher_release_lag_seconds",
    "How long the first delivery of a batch was overdue when it was handed to the broker",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
