"""The catalogue of event types: what there is to subscribe to, with schema and example."""

from aiohttp import web

from shared.contracts.event_types import EVENT_TYPES, EventType
from shared.web import authenticate, json


def table() -> list[web.RouteDef]:
    return [web.get("/api/v1/event-types", event_types)]


async def event_types(request: web.Request) -> web.Response:
    await authenticate(request, "read")
    return json({"event_types": [_shown(kind) for kind in EVENT_TYPES.values()], "next_cursor": None})


def _shown(kind: EventType) -> dict[str, object]:
    return {
        "name": kind.name,
        "description": kind.description,
        "schema": kind.data.model_json_schema(),
        "example": kind.example,
    }
