"""Keeps the hourly statistics: counts the cells that changed, at a pace that costs the database next to nothing.

Nothing is lost with a scheduler: a cell stays uncounted until its figures are kept. Two that count the same one waste
work only, for the figures that were counted last stay.
"""

import asyncio
import math
from datetime import timedelta

from shared.contracts.cell import Cell
from shared.store.duties import Duties
from shared.store.mongo import Mongo
from shared.store.stats import ByWebhook, Stats
from shared.store.uncounted import Uncounted

_DUTY = "stats"
_REST_PER_WORK = 60  # so that at most about 2 % of one of the database's cores goes into counting
_LONGEST_REST = timedelta(minutes=2)  # what takes that long is not work: the database was stuck
_PART_SECONDS = 0.02  # a busy tenant's minute at once would keep the database from all else for half a second
_PAUSE_PER_WORK = 4
_MOST_PARTS = 100
_MOST_CELLS = 1_000
_LONGEST_PASS_SECONDS = 2  # of work
_LONGEST_TURN = timedelta(seconds=10)  # for so long nobody counts when one dies over it


class Tallies:
    EVERY = timedelta(seconds=2)

    def __init__(self, *, mongo: Mongo, uncounted: Uncounted, stats: Stats, duties: Duties) -> None:
        self._mongo = mongo
        self._uncounted = uncounted
        self._stats = stats
        self._duties = duties
        self._parts: dict[str, int] = {}  # of a minute of a tenant, where it is more than one

    async def take_turn(self) -> None:
        """One pass and the rest behind it, of all schedulers together."""
        if await self._duties.take(_DUTY, _LONGEST_TURN):
            worked = await self.run_once()
            await self._duties.rest(_DUTY, min(max(self.EVERY, worked * _REST_PER_WORK), _LONGEST_REST))

    async def run_once(self) -> timedelta:
        """Count what is due; answers for how long the database worked on it."""
        worked = 0.0
        for cell, changed_at in await self._uncounted.due(_MOST_CELLS):
            as_of = self._mongo.now()
            figures, took = await self._count(cell)
            worked += took
            await self._stats.keep(cell, figures, as_of)
            await self._uncounted.counted(cell, changed_at, as_of)
            if worked > _LONGEST_PASS_SECONDS:
                break  # the rest is due all the same after the rest
        return timedelta(seconds=worked)

    async def _count(self, cell: Cell) -> tuple[ByWebhook, float]:
        """With the seconds that the database worked. Parts are as many as the tenant's minutes needed lately."""
        parts, took = self._parts.pop(cell.tenant_id, 1), 0.0

        async def pause(worked: float) -> None:
            nonlocal took
            took += worked
            await asyncio.sleep(worked * _PAUSE_PER_WORK if parts > 1 else 0)

        figures = await self._stats.count(cell, parts, pause)
        needed = min(max(math.ceil(took / _PART_SECONDS), parts - 1), _MOST_PARTS)
        if needed > 1:
            self._parts[cell.tenant_id] = needed
        return figures, took
