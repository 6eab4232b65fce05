"""What exists on the broker: one description for every service. Pure.

Quorum queues only; `x-delivery-limit` is explicit because brokers differ in their default. A message that passes the
limit is parked at-least-once, which needs `reject-publish`.
"""

from dataclasses import dataclass, field
from typing import Any

EVENTS = "events"
DEAD_LETTERS = "dead-letters"

FANOUT = "fanout"
DELIVERIES = "deliveries"
AGAIN = "deliveries.again"
DEAD_DELIVERIES = "dead-letters.deliveries"
PARKED = "parked"

DELIVERY_LIMIT = 20
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Binding:
    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    arguments: dict[str, Any]
    bindings: tuple[Binding, ...] = field(default=())


def _work(name: str, *bindings: Binding) -> Queue:
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_LETTERS,
        "x-dead-letter-routing-key": PARKED,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return Queue(name, arguments, bindings)


EXCHANGES = (Exchange(EVENTS, "topic"), Exchange(DEAD_LETTERS, "direct"))

QUEUES = (
    Queue(PARKED, {"x-queue-type": "quorum"}, (Binding(DEAD_LETTERS, PARKED),)),
    Queue(
        DEAD_DELIVERIES,
        {
            "x-queue-type": "quorum",
            "x-max-length": 1_000_000,
            "x-message-ttl": 14 * _DAY_MS,
            "x-overflow": "drop-head",
        },
        (Binding(DEAD_LETTERS, DEAD_DELIVERIES),),
    ),
    _work(FANOUT, Binding(EVENTS, "#")),
    _work(DELIVERIES),
    _work(AGAIN),
)
