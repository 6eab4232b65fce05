"""The delivery message: 1 to 50 deliveries, each with the exact bytes that will be posted.

msgspec and not pydantic, because the body travels as it stands inside the JSON and is cut out again by the worker
without being parsed.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Self

import msgspec

from shared.contracts.event import AcceptedEvent
from shared.errors import InvalidMessage
from shared.ids import delivery_id

VERSION = 1
MAX_DELIVERIES = 50
MAX_BYTES = 512 * 1024


class QueuedDelivery(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True):
    """One delivery as the broker carries it. `created_at` is in seconds since the epoch, by the database's clock.

    `ordered`: the next one to its webhook waits for it to end. `trace` is a `traceparent`. `published_at`: its event,
    if nothing but us kept the delivery waiting since then.
    """

    id: str
    tenant_id: str
    webhook_id: str
    event_id: str
    event: str
    created_at: float
    body: msgspec.Raw
    turn: int = 1
    round: int = 1
    attempt: int = 1
    check: bool = False
    ordered: bool = False
    trace: str | None = None
    trace_state: str | None = None
    published_at: float | None = None

    @classmethod
    def first(cls, event: AcceptedEvent, webhook_id: str, created_at: float) -> Self:
        """The delivery of this event to this webhook, before any attempt."""
        identity = delivery_id(event.tenant_id, event.event_id, webhook_id)
        return cls(
            id=identity,
            tenant_id=event.tenant_id,
            webhook_id=webhook_id,
            event_id=event.event_id,
            event=event.type,
            created_at=created_at,
            body=msgspec.Raw(event.payload(identity)),
            trace=event.trace.parent if event.trace else None,
            trace_state=event.trace.state if event.trace else None,
            published_at=event.published_at,
        )

    @classmethod
    def claimed(cls, document: dict[str, Any], event: AcceptedEvent) -> Self:
        """A stored delivery at the turn that was claimed for it."""
        return cls(
            id=document["_id"],
            tenant_id=document["tenant_id"],
            webhook_id=document["webhook_id"],
            event_id=document["event_id"],
            event=document["event"],
            created_at=(document.get("round_started_at") or document["created_at"]).timestamp(),
            body=msgspec.Raw(event.payload(document["_id"])),
            turn=document["turn"],
            round=document["round"],
            attempt=document["attempt_count"] + 1,
            ordered="order" in document,
            trace=event.trace.parent if event.trace else None,
            trace_state=event.trace.state if event.trace else None,
        )


class DeliveryMessage(msgspec.Struct, kw_only=True):
    """`handed_at`: when it was given to the broker, in seconds since the epoch, by the database's clock."""

    v: int = VERSION
    handed_at: float
    deliveries: list[QueuedDelivery]


class Marker(msgspec.Struct, kw_only=True):
    """Travels through a delivery queue; its arrival proves that everything queued before it has arrived too."""

    v: int = VERSION
    marker: str
    sent_at: float


_ENCODER = msgspec.json.Encoder()
_DELIVERIES = msgspec.json.Decoder(DeliveryMessage)
_MARKER = msgspec.json.Decoder(Marker)


def encode(message: DeliveryMessage | Marker) -> bytes:
    return _ENCODER.encode(message)


def decode(raw: bytes) -> DeliveryMessage | Marker:
    """Raises InvalidMessage for anything this version cannot read."""
    try:
        message = _MARKER.decode(raw) if raw.startswith(b'{"v":1,"marker"') else _DELIVERIES.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidMessage(f"not a delivery message: {error}") from None
    if message.v != VERSION:
        raise InvalidMessage(f"version {message.v}, this process reads {VERSION}", field="v")
    return message


def batches(
    deliveries: Iterable[QueuedDelivery], *, most: int = MAX_DELIVERIES, most_bytes: int = MAX_BYTES
) -> Iterator[list[QueuedDelivery]]:
    """Cut a run of deliveries into groups of at most `most` whose bodies have at most `most_bytes` together.

    A single body above the limit travels alone.
    """
    group: list[QueuedDelivery] = []
    size = 0
    for delivery in deliveries:
        weight = len(memoryview(delivery.body)) + 500
        if group and (len(group) >= most or size + weight > most_bytes):
            yield group
            group, size = [], 0
        group.append(delivery)
        size += weight
    if group:
        yield group
