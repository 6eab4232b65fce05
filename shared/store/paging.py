"""Pages of a collection that is ordered by (created_at, id), by index alone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING

from shared.contracts.listing import Position
from shared.store.mongo import Document, Mongo, unavailable_if_gone


def window(
    behind: Position | None, *, since: datetime | None = None, until: datetime | None = None, tie: str = "_id"
) -> Document:
    """The part of a query that selects from behind a position, and made in [since, until).

    The bound on `created_at` is named beside the choice for one moment's entries, so that the index begins there.
    """
    bounds = {"$gte": since, "$lt": until, "$lte": behind.created_at if behind else None}
    query: Document = {name: moment for name, moment in bounds.items() if moment is not None}
    found: Document = {"created_at": query} if query else {}
    if behind:
        found["$or"] = [{"created_at": {"$lt": behind.created_at}}, {tie: {"$lt": behind.id}}]
    return found


async def newest(
    mongo: Mongo, collection: str, query: Mapping[str, Any], *, index: str, limit: int, tie: str = "_id", **more: Any
) -> list[Document]:
    """One page. `index` is named, so that no database ever chooses to sort instead."""
    async with unavailable_if_gone():
        cursor = mongo.db[collection].find(query, **more).sort([("created_at", DESCENDING), (tie, DESCENDING)])
        return await cursor.hint(index).limit(limit).to_list(None)


async def oldest(
    mongo: Mongo, collection: str, query: Document, after: Position | None, *, index: str, limit: int, **more: Any
) -> list[Document]:
    """The next ones from behind `after`, oldest first: for work that goes through all of them."""
    if after:
        onward = {**query.get("created_at", {}), "$gte": after.created_at}
        behind: list[Document] = [{"created_at": {"$gt": after.created_at}}, {"_id": {"$gt": after.id}}]
        query = {**query, "created_at": onward, "$or": behind}
    async with unavailable_if_gone():
        cursor = mongo.db[collection].find(query, **more).sort([("created_at", ASCENDING), ("_id", ASCENDING)])
        return await cursor.hint(index).limit(limit).to_list(None)
