"""Deliveries as lists and counts: whatever they are searched by, only what is answered is read."""

from typing import Any

from shared.contracts.history import Narrowing
from shared.contracts.listing import Position
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.paging import newest, oldest, window


class History:
    """`of`: `{"webhook_id": …}` or `{"tenant_id": …}`, the index of which is used."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def page(
        self, of: Document, narrowing: Narrowing, statuses: list[str], behind: Position | None, limit: int
    ) -> list[Document]:
        """Newest first."""
        query = {**of, **narrowed(narrowing, statuses, behind)}
        return await newest(self._mongo, "deliveries", query, index=_index(of), limit=limit)

    async def oldest(
        self, of: Document, narrowing: Narrowing, statuses: list[str], after: Position | None, limit: int
    ) -> list[Position]:
        """Positions only, oldest first, from behind `after`: for work that goes through all of them."""
        query = {**of, **narrowed(narrowing, statuses, None)}
        index = _index(of)
        found = await oldest(
            self._mongo, "deliveries", query, after, index=index, limit=limit, projection={"created_at": 1}
        )
        return [Position(document["created_at"], document["_id"]) for document in found]

    async def count(self, of: Document, narrowing: Narrowing, statuses: list[str], most: int) -> int:
        """Counted in the index, up to `most`."""
        query = {**of, **narrowed(narrowing, statuses, None)}
        async with unavailable_if_gone():
            return await self._mongo.db.deliveries.count_documents(query, limit=most, hint=_index(of))


def _index(of: Document) -> str:
    return "webhook" if "webhook_id" in of else "tenant"


def narrowed(narrowing: Narrowing, statuses: list[str], behind: Position | None) -> Document:
    """The part of a query that selects these."""
    query = window(behind, since=narrowing.since, until=narrowing.until)
    if statuses:
        query["status"] = {"$in": statuses} if len(statuses) > 1 else statuses[0]
    if narrowing.event_type:
        query["event"] = narrowing.event_type
    if narrowing.response_status:
        query["answered"] = _answered(narrowing.response_status)
    return query


def _answered(wanted: str) -> Any:
    """A status is kept as a number, a kind of failure by its name."""
    if wanted.endswith("xx"):
        return {"$gte": int(wanted[0]) * 100, "$lt": int(wanted[0]) * 100 + 100}
    return int(wanted) if wanted.isdigit() else wanted
