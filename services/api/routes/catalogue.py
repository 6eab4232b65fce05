"""The catalogue of event types: what there is to subscribe to, with schema and example."""

from functools import cache
from typing import Any

from pydantic import BaseModel, Field

from shared.contracts.event_types import EVENT_TYPES, EventType
from shared.contracts.listing import NextCursor
from shared.routes import Ask, Nothing, Reply, Route


class CatalogueEntry(BaseModel):
    name: str
    description: str
    data_schema: dict[str, Any] = Field(serialization_alias="schema", description="JSON schema of `data`")
    example: dict[str, Any]


class Catalogue(BaseModel):
    event_types: list[CatalogueEntry]
    next_cursor: NextCursor


def table() -> list[Route]:
    return [
        Route(
            name="list_event_types",
            method="GET",
            path="/api/v1/event-types",
            scope="read",
            summary="What there is to subscribe to: description, JSON schema, example",
            do=_event_types,
            answer=Catalogue,
        )
    ]


async def _event_types(ask: Ask[Nothing, None]) -> Reply:
    return Reply(_catalogue())


@cache
def _catalogue() -> Catalogue:
    return Catalogue(event_types=[_entry(kind) for kind in EVENT_TYPES.values()], next_cursor=None)


def _entry(kind: EventType) -> CatalogueEntry:
    schema = kind.data.model_json_schema()
    return CatalogueEntry(name=kind.name, description=kind.description, data_schema=schema, example=kind.example)
