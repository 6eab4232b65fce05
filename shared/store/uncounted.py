"""Which cells changed since they were counted. Who moves a delivery names its cell first; the scheduler counts it.

A process that dies in between leaves a cell that is counted in vain; the other order would leave a wrong figure.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from pymongo import UpdateOne

from shared.contracts.cell import MINUTE, Cell
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.times import at, iso

VERSION = 1
REMEMBERED_SECONDS = 10
"""So long a process does not name a cell again. What it writes meanwhile is counted once this is over."""
_MOST_REMEMBERED = 10_000
_SLOW_SECONDS = 20
_QUIET = timedelta(seconds=REMEMBERED_SECONDS + 2)
"""A count that began so long after the last naming holds all that was written under it, if writes are quick."""
SETTLED = timedelta(seconds=REMEMBERED_SECONDS + _SLOW_SECONDS + 10)
"""The same for slow writes, and for clocks that differ a little."""


class Uncounted:
    """`retention`: of deliveries. Once a cell's deliveries begin to expire, its figures are final."""

    def __init__(self, mongo: Mongo, *, retention: timedelta) -> None:
        self._mongo = mongo
        self._kept = retention - MINUTE
        self._named: dict[Cell, float] = {}

    @asynccontextmanager
    async def moving(self, ids: Sequence[str]) -> AsyncIterator[None]:
        """Around a write that moves or erases these deliveries, for whoever knows no more than their ids."""
        async with unavailable_if_gone():
            cursor = self._mongo.db.deliveries.find({"_id": {"$in": list(ids)}}, {"tenant_id": 1, "created_at": 1})
            cells = {Cell.of_document(document) for document in await cursor.to_list(None)}
        async with self.changing(cells):
            yield

    @asynccontextmanager
    async def changing(self, cells: Iterable[Cell]) -> AsyncIterator[None]:
        """Around a write that moves deliveries of these cells."""
        named = set(cells)
        await self.name(named)
        began = self._mongo.seconds()
        yield
        if not 0 <= self._mongo.seconds() - began < _SLOW_SECONDS:  # it may have been counted before this write
            await self.name(named)

    async def name(self, cells: Iterable[Cell]) -> None:
        """Have these cells counted."""
        now = self._mongo.seconds()
        # By the database's clock: a machine's own may stand still while the machine sleeps.
        fresh = [cell for cell in set(cells) if not 0 <= now - self._named.get(cell, 0) < REMEMBERED_SECONDS]
        if not fresh:
            return
        async with unavailable_if_gone():
            await self._mongo.db.uncounted.bulk_write([self._naming(cell, at(now)) for cell in fresh], ordered=False)
        if len(self._named) > _MOST_REMEMBERED:
            self._named.clear()
        self._named.update(dict.fromkeys(fresh, now))

    def _naming(self, cell: Cell, now: datetime) -> UpdateOne:
        facts = {
            "v": VERSION,
            "tenant_id": cell.tenant_id,
            "minute": cell.begins,
            "expires_at": cell.begins + self._kept,
        }
        update = {"$max": {"changed_at": now}, "$set": {"due_at": now}, "$setOnInsert": facts}
        return UpdateOne({"_id": _id(cell)}, update, upsert=True)

    async def due(self, limit: int) -> list[tuple[Cell, datetime]]:
        """Cells to be counted now, longest due first, each with when it was last named."""
        now = self._mongo.now()
        query = {"due_at": {"$lte": now}, "expires_at": {"$gt": now}}
        async with unavailable_if_gone():
            documents = await self._mongo.db.uncounted.find(query).sort("due_at", 1).limit(limit).to_list(None)
        return [(Cell.of(document["tenant_id"], document["minute"]), document["changed_at"]) for document in documents]

    async def counted(self, cell: Cell, changed_at: datetime, as_of: datetime) -> None:
        """It was counted at `as_of`, and that is kept. Done with it, unless it is named again or may still change."""
        unchanged: Document = {"_id": _id(cell), "changed_at": changed_at}
        next_look = changed_at + (_QUIET if as_of < changed_at + _QUIET else SETTLED)
        async with unavailable_if_gone():
            if as_of > changed_at + SETTLED:
                await self._mongo.db.uncounted.delete_one(unchanged)
            else:
                await self._mongo.db.uncounted.update_one(unchanged, {"$set": {"due_at": next_look}})


def _id(cell: Cell) -> str:
    return f"{cell.tenant_id}/{iso(cell.begins)}"
