"""What a parked message says of itself, whether we parked it or RabbitMQ did, and what is sent to try it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from shared.broker.consumer import Message
from shared.broker.headers import PUBLISHED_AT, sendable
from shared.broker.topology import FANOUT, WORK
from shared.ids import event_id_of_bytes
from shared.times import iso

_OURS = "x-parked-"
_BROKERS = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """`id` is made of what does not change while it is parked; messages that are equal in that share it.

    `came_from` is a queue, `at` when it was parked; None: it does not say.
    """

    id: str
    came_from: str | None
    reason: str | None
    routing_key: str | None
    message_id: str | None
    at: datetime | None
    tenants: frozenset[str]
    body: bytes
    headers: Mapping[str, Any]
    message: Message

    @property
    def origin(self) -> str | None:
        """Where it is sent to be tried again; None when it came from no queue of ours."""
        return self.came_from if self.came_from in WORK else None

    def headers_to_send(self) -> dict[str, Any]:
        """As it had them before it was parked, but published now."""
        kept = {name: value for name, value in self.headers.items() if not name.startswith((_OURS, *_BROKERS))}
        kept.pop(PUBLISHED_AT, None)
        return sendable(kept)

    def message_id_to_send(self, body: bytes) -> str:
        """By which a repeat is recognised: a message without an id gets the one that its event would have."""
        if self.message_id:
            return self.message_id
        return event_id_of_bytes(body) if self.came_from == FANOUT and _has_timestamp(body) else self.id


def parked(message: Message) -> Parked:
    told = _told_by_us(message) if _OURS + "from" in message.headers else _told_by_the_broker(message)
    return Parked(
        id=_identity(told, message.body),
        tenants=tenants(message.body),
        body=message.body,
        headers=message.headers,
        message=message,
        **told,
    )


def _told_by_us(message: Message) -> dict[str, Any]:
    names = {"came_from": "from", "reason": "reason", "routing_key": "routing-key", "message_id": "message-id"}
    told = {field: _text(message.headers.get(_OURS + name)) for field, name in names.items()}
    return {**told, "at": _moment(message.headers.get(_OURS + "at"))}


def _told_by_the_broker(message: Message) -> dict[str, Any]:
    """Of a message that was given back too often."""
    deaths = message.headers.get("x-death")
    death = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    keys = death.get("routing-keys")
    return {
        "came_from": _text(death.get("queue")),
        "reason": f"dead-lettered by RabbitMQ: {_text(death['reason'])}" if "reason" in death else None,
        "routing_key": _text(keys[0]) if isinstance(keys, list) and keys else None,
        "message_id": message.message_id,
        "at": _moment(death.get("time")),
    }


def _identity(told: Mapping[str, Any], body: bytes) -> str:
    at = told["at"]
    facts = (told["came_from"], told["message_id"], iso(at) if at else None)
    return "parked_" + blake2b(repr(facts).encode() + body, digest_size=8).hexdigest()


def _text(value: object) -> str | None:
    """A header may hold anything."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return None if value is None else str(value)


def _moment(value: object) -> datetime | None:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class _Named(msgspec.Struct):
    tenant_id: Any = None
    timestamp: Any = None


class _Several(_Named):
    """An event, or a message of deliveries."""

    deliveries: list[_Named] = []


_TENANTS = msgspec.json.Decoder(_Several | list[_Named])


def _read(body: bytes) -> list[_Named]:
    """What may name a tenant; nothing in what cannot be read."""
    try:
        read = _TENANTS.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return []
    return read if isinstance(read, list) else [read, *read.deliveries]


def tenants(body: bytes) -> frozenset[str]:
    """Whose events or deliveries are in it, as far as it can be read."""
    return frozenset(named.tenant_id for named in _read(body) if isinstance(named.tenant_id, str))


def _has_timestamp(body: bytes) -> bool:
    return not body.lstrip().startswith(b"[") and any(named.timestamp is not None for named in _read(body))
