"""Erases what is stored of a tenant's learners: deliveries, events, figures."""

from collections.abc import Sequence
from datetime import datetime

from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.stats import Stats
from shared.store.uncounted import Uncounted


class Eraser:
    """Only what was there at `before`: what is published later is kept. Answers how many were erased."""

    def __init__(self, mongo: Mongo, *, uncounted: Uncounted, stats: Stats) -> None:
        self._mongo = mongo
        self._uncounted = uncounted
        self._stats = stats

    async def deliveries(self, tenant_id: str, before: datetime, most: int) -> int:
        ids = await self._oldest("deliveries", tenant_id, before, most)
        async with self._uncounted.moving(ids):
            return await self._delete("deliveries", ids)

    async def events(self, tenant_id: str, before: datetime, most: int) -> int:
        return await self._delete("events", await self._oldest("events", tenant_id, before, most))

    async def figures(self, tenant_id: str, before: datetime) -> None:
        """Once the deliveries are gone."""
        await self._stats.forget(tenant_id, before)

    async def _oldest(self, collection: str, tenant_id: str, before: datetime, most: int) -> list[str]:
        query: Document = {"tenant_id": tenant_id, "created_at": {"$lt": before}}
        async with unavailable_if_gone():
            cursor = self._mongo.db[collection].find(query, {"_id": 1}).hint("tenant").limit(most)
            return [document["_id"] for document in await cursor.to_list(None)]

    async def _delete(self, collection: str, ids: Sequence[str]) -> int:
        async with unavailable_if_gone():
            result = await self._mongo.db[collection].delete_many({"_id": {"$in": list(ids)}})
        return result.deleted_count
