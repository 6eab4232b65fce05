"""Keeps the hourly statistics: counts the cells that changed, at a pace that costs the database next to nothing.

Nothing is lost with a scheduler: a cell stays uncounted until its figures are kept. Two that count the same one waste
work only, for the figures that were counted last stay.
"""

import time
from datetime import timedelta

from shared.store.duties import Duties
from shared.store.mongo import Mongo
from shared.store.stats import Stats
from shared.store.uncounted import Uncounted

_DUTY = "stats"
_REST_PER_WORK = 60  # so that at most about 2 % of one of the database's cores goes into counting
_LONGEST_REST = timedelta(minutes=2)  # what takes that long is not work: the database was stuck
_MOST_CELLS = 1_000
_LONGEST_PASS_SECONDS = 2


class Tallies:
    EVERY = timedelta(seconds=2)

    def __init__(self, *, mongo: Mongo, uncounted: Uncounted, stats: Stats, duties: Duties) -> None:
        self._mongo = mongo
        self._uncounted = uncounted
        self._stats = stats
        self._duties = duties

    async def take_turn(self) -> None:
        """One pass and the rest behind it, of all schedulers together."""
        if await self._duties.take(_DUTY, self.EVERY):
            worked = await self.run_once()
            await self._duties.rest(_DUTY, min(max(self.EVERY, worked * _REST_PER_WORK), _LONGEST_REST))

    async def run_once(self) -> timedelta:
        """Count what is due; answers for how long the database worked on it."""
        worked = 0.0
        for cell, changed_at in await self._uncounted.due(_MOST_CELLS):
            as_of, began = self._mongo.now(), time.perf_counter()
            figures = await self._stats.count(cell)
            worked += time.perf_counter() - began
            await self._stats.keep(cell, figures, as_of)
            await self._uncounted.counted(cell, changed_at, as_of)
            if worked > _LONGEST_PASS_SECONDS:
                break  # the rest is due all the same after the rest
        return timedelta(seconds=worked)
