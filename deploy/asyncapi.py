"""The AsyncAPI 3.0 document of what travels through the broker, made from its topology and its models. Pure."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field, JsonValue, TypeAdapter
from pydantic.json_schema import models_json_schema

from deploy import asyncapi_examples as examples
from shared import VERSION
from shared.broker import topology
from shared.broker.headers import PUBLISHED_AT
from shared.broker.topology import Queue
from shared.contracts.delivery import DeliveryRecord
from shared.contracts.event import MAX_BATCH_EVENTS, Published, TenantId
from shared.contracts.event_types import EVENT_TYPES, EventTypeName
from shared.contracts.message import MAX_DELIVERIES, DeliveryMessage, Marker
from shared.openapi import AsWritten

Json = dict[str, Any]

_ABOUT = """\
What producers publish to the dispatcher, and what it hands to others, over RabbitMQ. Producers need the channel
`events` only; `dead-letters.deliveries` and `parked` are for other systems and operators. The three queues of
deliveries are between the dispatcher's own services: they are here for operators, and may change with `v`.
"""
_REF = "#/components/schemas/{}"
_HEADERS = {
    "traceparent": {
        "type": "string",
        "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        "description": "W3C trace context, carried on to endpoints. One that is malformed counts as none.",
    },
    PUBLISHED_AT: {"type": "integer", "description": "Of ingest: milliseconds since the epoch, to measure by."},
    "tracestate": {"type": "string", "maxLength": 512, "description": "Of the same; endpoints are not told."},
}
_IN_QUEUE = {
    **{queue: ["Deliveries", "Marker"] for queue in (topology.DELIVERIES, topology.BULK, topology.AGAIN)},
    topology.DEAD_DELIVERIES: ["DeadLetter"],
    topology.PARKED: ["Parked", "ParkedByBroker"],
}
_SENDS = {
    topology.DELIVERIES: "Fresh deliveries.",
    topology.BULK: "Fresh deliveries of tenants above their share.",
    topology.AGAIN: "Retries, replays, and what had to be published again.",
    topology.DEAD_DELIVERIES: "A copy of each dead letter for other systems; the document in MongoDB is the truth.",
    topology.PARKED: "What could not be used, whole, with the reason.",
}


class Posted(BaseModel):
    """The body that is posted to an endpoint: these keys in this order, the bytes of `data` as they were published."""

    event: EventTypeName
    tenant_id: TenantId
    data: dict[str, JsonValue]
    timestamp: str
    delivery_id: str


class DeadLetterMessage(BaseModel):
    """A delivery that nobody will retry by itself, with its last attempts. It may come twice."""

    v: Literal[1]
    delivery: DeliveryRecord


class ParkedHeaders(BaseModel):
    """Beside the headers that the message came with."""

    reason: str = Field(alias="x-parked-reason", max_length=1000)
    came_from: str = Field(alias="x-parked-from", json_schema_extra={"enum": list(topology.WORK)})
    routing_key: str = Field(alias="x-parked-routing-key", description="with which it came")
    at: str = Field(alias="x-parked-at", json_schema_extra={"format": "date-time"})
    message_id: str = Field("", alias="x-parked-message-id", description="the one it had, if it had one")


class ParkedByBrokerHeaders(BaseModel):
    """Of a message that was given back more often than its queue allows: RabbitMQ's own words."""

    death: list[dict[str, JsonValue]] = Field(alias="x-death", min_length=1)


def document() -> Json:
    queues = [queue for queue in topology.QUEUES if queue.name != topology.FANOUT]
    accept = _operation("receive", topology.EVENTS, "Each event becomes a delivery to every webhook that it matches.")
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Webhook dispatcher on RabbitMQ", "version": VERSION, "description": _ABOUT},
        "defaultContentType": "application/json",
        "servers": {"rabbitmq": {"host": "127.0.0.1:5672", "protocol": "amqp"}},
        "channels": {topology.EVENTS: _events(), **{queue.name: _channel(queue) for queue in queues}},
        "operations": {
            "accept-events": accept,
            **{f"send-to-{name}": _operation("send", name, summary) for name, summary in _SENDS.items()},
        },
        "components": {"messages": _messages(), "schemas": schemas()},
    }


def _operation(action: str, channel: str, summary: str) -> Json:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _events() -> Json:
    exchange = {"name": topology.EVENTS, "type": "topic", "durable": True, "autoDelete": False, "vhost": "/"}
    return {
        "address": "{event_type}",
        "title": "The exchange events",
        "description": "Publish here: persistent, mandatory, with confirms. The routing key is the event's type, of an"
        f" array that of its first. The queue `{topology.FANOUT}` is bound with `#`.",
        "parameters": {"event_type": {"enum": list(EVENT_TYPES)}},
        "messages": _references([*map(_name, EVENT_TYPES), "EventBatch"]),
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
    }


def _channel(queue: Queue) -> Json:
    described = {"name": queue.name, "durable": True, "exclusive": False, "autoDelete": False, "vhost": "/"}
    return {
        "address": queue.name,
        "title": f"The queue {queue.name}",
        "messages": _references(_IN_QUEUE[queue.name]),
        "bindings": {"amqp": {"is": "queue", "queue": described, "bindingVersion": "0.3.0"}},
        "x-arguments": queue.arguments,
    }


def _references(messages: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _messages() -> Json:
    known = schemas()
    events = {name: known[_name(name)]["examples"][0] for name in EVENT_TYPES}
    batch = [events["session.created"], events["session.completed"]]
    return {
        **{_name(name): _event(_name(name), EVENT_TYPES[name].description, one) for name, one in events.items()},
        "EventBatch": _event("EventBatch", f"1 to {MAX_BATCH_EVENTS} events, each judged by itself", batch),
        "Deliveries": _message("DeliveryMessage", f"1 to {MAX_DELIVERIES} deliveries", examples.DELIVERIES),
        "Marker": _message("Marker", "Proves that what was queued before it has arrived", examples.MARKER),
        "DeadLetter": _message(
            "DeadLetterMessage", "A delivery that nobody will retry by itself", examples.DEAD_LETTER
        ),
        "Parked": _parked("ParkedHeaders", "A service could not use it", examples.PARKED),
        "ParkedByBroker": _parked("ParkedByBrokerHeaders", "It was given back too often", examples.PARKED_BY_BROKER),
    }


def _message(schema: str, summary: str, example: Any) -> Json:
    return {"summary": summary, "payload": {"$ref": _REF.format(schema)}, "examples": [{"payload": example}]}


def _event(schema: str, summary: str, example: Any) -> Json:
    return {
        **_message(schema, summary, example),
        "headers": {"type": "object", "properties": _HEADERS},
    }


def _parked(headers: str, summary: str, example: Json) -> Json:
    payload = {"description": "The bytes as they came, JSON or not; of an array an element may be parked alone."}
    return {"summary": summary, "headers": {"$ref": _REF.format(headers)}, "payload": payload, "examples": [example]}


def _name(event_type: str) -> str:
    return f"{EVENT_TYPES[event_type].data.__name__}Event"


def schemas() -> Json:
    """By name; those of events from their models, those of deliveries from msgspec's structs."""
    template = _REF.format("{model}")
    events = TypeAdapter(Published).json_schema(ref_template=template, schema_generator=AsWritten)
    models = (Posted, DeadLetterMessage, ParkedHeaders, ParkedByBrokerHeaders)
    _, ours = models_json_schema(
        [(model, "serialization") for model in models], ref_template=template, schema_generator=AsWritten
    )
    _, queued = msgspec.json.schema_components([DeliveryMessage, Marker], ref_template=_REF.format("{name}"))
    queued["QueuedDelivery"]["properties"]["body"] = {"$ref": _REF.format("Posted")}  # raw bytes to msgspec
    batch = {"type": "array", "items": {"anyOf": events["anyOf"]}, "minItems": 1, "maxItems": MAX_BATCH_EVENTS}
    return dict(sorted({**events["$defs"], **ours["$defs"], **queued, "EventBatch": batch}.items()))
