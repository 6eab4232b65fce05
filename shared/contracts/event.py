"""An event as producers publish it, and the same event once it was accepted.

pydantic says what is valid. msgspec cuts the bytes of `data` out of what was received, because they are posted to
endpoints untouched: 2^64, 1.10 and the order of keys survive, which no parse-and-print would promise.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar, Union

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, create_model

from shared.contracts.event_types import EVENT_TYPES, EventData, unknown_type
from shared.contracts.moment import Written
from shared.contracts.trace import Trace
from shared.errors import InvalidMessage
from shared.ids import event_id_of_bytes, random_event_id
from shared.times import iso

MAX_EVENT_BYTES = 256 * 1024
MAX_BATCH_EVENTS = 1_000
MAX_BATCH_BYTES = 5 * 1024 * 1024

TenantId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"),
    Field(examples=["550e8400-e29b-41d4-a716-446655440000"]),
]
EventId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")]
Name = TypeVar("Name", bound=str)
Data = TypeVar("Data", bound=EventData)


def _with_example(schema: dict[str, Any]) -> None:
    """The guide's."""
    name = schema["properties"]["event"]["const"]
    tenant, moment = "550e8400-e29b-41d4-a716-446655440000", "2025-01-15T10:30:00.000Z"
    schema["examples"] = [{"event": name, "tenant_id": tenant, "data": EVENT_TYPES[name].example, "timestamp": moment}]


class Event(BaseModel, Generic[Name, Data]):
    """What a producer publishes. `timestamp` and `event_id` may be left out; see `identify` for what stands in."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_with_example)

    event: Name
    tenant_id: TenantId
    data: Data
    timestamp: Written | None = Field(None, description="ISO 8601 with a time zone")
    event_id: EventId | None = Field(None, description="the producer's own id; a repeat of it is harmless")
    delivery_id: str | None = Field(None, description="ignored: a payload copied from a delivery can be published")


class AcceptedEvent(msgspec.Struct, frozen=True):
    """A valid event with its identity settled. `data` are the very bytes received; `timestamp` is in our format."""

    tenant_id: str
    event_id: str
    type: str
    timestamp: str
    data: bytes
    trace: Trace | None = None
    published_at: float | None = None  # to measure by, in seconds since the epoch; None: it is long ago

    def to_json(self) -> bytes:
        """The event as a message on the `events` exchange."""
        # Type, tenant and timestamp cannot hold a character that JSON escapes; an event_id can.
        return b'{"event":"%b","tenant_id":"%b","event_id":%b,"data":%b,"timestamp":"%b"}' % (
            self.type.encode(),
            self.tenant_id.encode(),
            msgspec.json.encode(self.event_id),
            self.data,
            self.timestamp.encode(),
        )

    def payload(self, delivery_id: str) -> bytes:
        """The body that is posted to an endpoint: the guide's keys in the guide's order."""
        return b'{"event":"%b","tenant_id":"%b","data":%b,"timestamp":"%b","delivery_id":"%b"}' % (
            self.type.encode(),
            self.tenant_id.encode(),
            self.data,
            self.timestamp.encode(),
            delivery_id.encode(),
        )


class _Cut(msgspec.Struct):
    """The two members we need before validation: which model applies, and where `data` lies in the bytes."""

    event: Any
    data: msgspec.Raw


_CUT = msgspec.json.Decoder(_Cut)
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_KINDS: dict[str, Any] = {
    name: create_model(
        f"{kind.data.__name__}Event",
        __base__=Event[Literal[name], kind.data],  # type: ignore[valid-type, name-defined]
        __doc__=kind.description,
    )
    for name, kind in EVENT_TYPES.items()
}
_MODELS: dict[str, TypeAdapter[Event[Any, Any]]] = {name: TypeAdapter(kind) for name, kind in _KINDS.items()}
Published: Any = Union[tuple(_KINDS.values())]  # noqa: UP007 - made from the registry
"""An event of any type."""


_NOT_EVENTS = re.compile(rb"\s*\[\s*[^\s{\]]")


def is_array(raw: bytes) -> bool:
    return raw.lstrip()[:1] == b"["


def split(raw: bytes) -> list[bytes]:
    """The elements of a JSON array of events, each the bytes it stood as. Raises InvalidMessage."""
    if len(raw) > MAX_BATCH_BYTES:
        raise InvalidMessage(f"{len(raw)} bytes, more than the {MAX_BATCH_BYTES} a batch may have")
    if _NOT_EVENTS.match(raw):  # before millions of numbers are taken apart
        raise InvalidMessage("not an array of events: its first element is no object")
    try:
        events = _ARRAY.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidMessage(f"not a JSON array: {error}") from None
    if not 1 <= len(events) <= MAX_BATCH_EVENTS:
        raise InvalidMessage(f"{len(events)} events, a batch has 1 to {MAX_BATCH_EVENTS}")
    return [bytes(event) for event in events]


def parse(
    raw: bytes,
    *,
    now: datetime,
    fallback_id: str | None = None,
    trace: Trace | None = None,
    published_at: float | None = None,
) -> AcceptedEvent:
    """Validate one event and settle its identity.

    Identity: its `event_id`, else `fallback_id` (the AMQP message's id), else a hash of its bytes if it carries a
    `timestamp`, else a random one. Raises InvalidMessage naming the field.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise InvalidMessage(f"{len(raw)} bytes, more than the {MAX_EVENT_BYTES} an event may have")
    cut = _cut(raw)
    event = _validate(_model(cut.event), raw)
    return AcceptedEvent(
        tenant_id=event.tenant_id,
        event_id=event.event_id or fallback_id or (event_id_of_bytes(raw) if event.timestamp else random_event_id()),
        type=event.event,
        timestamp=iso(event.timestamp or now),
        data=bytes(cut.data),
        trace=trace,
        published_at=published_at,
    )


def _cut(raw: bytes) -> _Cut:
    try:
        return _CUT.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidMessage(_plain(str(error))) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidMessage(f"not JSON: {error}") from None


def _plain(message: str) -> str:
    """msgspec's words with the producer's: `$` is the event."""
    return message.replace("Object missing required field", "missing field").replace("`$`", "the event")


def _model(name: object) -> TypeAdapter[Event[Any, Any]]:
    model = _MODELS.get(name) if isinstance(name, str) else None
    if model is None:
        raise InvalidMessage(unknown_type(name), field="event")
    return model


def _validate(model: TypeAdapter[Event[Any, Any]], raw: bytes) -> Event[Any, Any]:
    try:
        return model.validate_json(raw)
    except ValidationError as error:
        raise invalid(error) from None


def invalid(error: ValidationError) -> InvalidMessage:
    """The first complaint of pydantic, with the path to the field ("data.score.raw")."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return InvalidMessage(first["msg"], field=".".join(map(str, first["loc"])) or None)
