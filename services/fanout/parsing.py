"""The events of a message, and its parts that are none. Pure."""

from collections.abc import Sequence
from datetime import datetime

from services.fanout.publication import published_at
from shared.broker.consumer import Message
from shared.contracts.event import AcceptedEvent, is_array, parse, split
from shared.contracts.trace import Trace, trace_of
from shared.errors import InvalidMessage
from shared.ids import delivery_id

MAX_AMQP_BYTES = 5 * 1024 * 1024


def parse_message(message: Message, now: datetime) -> tuple[list[AcceptedEvent], list[tuple[InvalidMessage, Message]]]:
    """Events of a message, and its parts that are none; an array's good elements do not suffer from its bad ones."""
    trace, published = trace_of(message.headers), published_at(message, now.timestamp())
    try:
        if len(message.body) > MAX_AMQP_BYTES:
            raise InvalidMessage(f"{len(message.body)} bytes, more than the {MAX_AMQP_BYTES} a message may have")
        if not is_array(message.body):
            identity = _usable_id(message.message_id)
            return [parse(message.body, now=now, fallback_id=identity, trace=trace, published_at=published)], []
        parts = split(message.body)
    except InvalidMessage as error:
        return [], [(error, message)]
    return _parse_parts(message, parts, now, trace, published)


def _parse_parts(
    message: Message, parts: Sequence[bytes], now: datetime, trace: Trace | None, published: float
) -> tuple[list[AcceptedEvent], list[tuple[InvalidMessage, Message]]]:
    events, unusable = [], []
    for index, part in enumerate(parts):
        identity = _usable_id(f"{message.message_id}.{index}" if message.message_id else None)
        try:
            events.append(parse(part, now=now, fallback_id=identity, trace=trace, published_at=published))
        except InvalidMessage as error:
            alone = Message(part, message.headers, identity, message.routing_key, False, 0, message.channel)
            unusable.append((InvalidMessage(f"element {index}: {error}"), alone))
    return events, unusable


def _usable_id(message_id: str | None) -> str | None:
    """A message id of any form becomes an event id of ours when it could not be one itself."""
    if not message_id:
        return None
    if len(message_id) <= 255 and all("\x21" <= c <= "\x7e" for c in message_id):
        return message_id
    return delivery_id("message", message_id, "").replace("delivery_", "event_")
