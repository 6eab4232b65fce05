"""What exists on the broker: one description for every service. Pure.

Quorum queues only; `x-delivery-limit` is explicit because brokers differ in their default. A message that passes the
limit is parked at-least-once, which needs `reject-publish`. What is parked may be looked at for ever.
"""

from dataclasses import dataclass, field
from typing import Any

EVENTS = "events"
DEAD_LETTERS = "dead-letters"

FANOUT = "fanout"
DELIVERIES = "deliveries"
BULK = "deliveries.bulk"
AGAIN = "deliveries.again"
DEAD_DELIVERIES = "dead-letters.deliveries"
PARKED = "parked"

DELIVERY_LIMIT = 20
NO_LIMIT = 1_000_000_000
"""Without a limit RabbitMQ 3 puts what was taken and given back at the end of the queue, and 4 sets one of 20. Only 4
knows -1 for none."""
_DAY_MS = 24 * 3600 * 1000
_ONE_AT_A_TIME = {"x-single-active-consumer": True}  # one consumer gets all, in order; the others stand by


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
    """`earlier`: the arguments by which a former version declared it. One that has them is used as it is."""

    name: str
    arguments: dict[str, Any]
    bindings: tuple[Binding, ...] = field(default=())
    earlier: dict[str, Any] | None = None


def _work(name: str, *bindings: Binding, **more: Any) -> Queue:
    arguments = {
        **more,
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
    Queue(
        PARKED,
        {"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT},
        (Binding(DEAD_LETTERS, PARKED),),
        earlier={"x-queue-type": "quorum"},
    ),
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
    _work(FANOUT, Binding(EVENTS, "#"), **_ONE_AT_A_TIME),
    _work(DELIVERIES),
    _work(BULK),
    _work(AGAIN),
)
WORK = (FANOUT, DELIVERIES, BULK, AGAIN)
"""The queues whose messages may end up parked."""
