"""How many deliveries of all tenants wait, by when they are due: counted in the index that the scheduler asks."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from shared.contracts.delivery import Status
from shared.store.mongo import Mongo, unavailable_if_gone

COUNTED_AT_MOST = 2_000
"""Of each span. The database looks into each document for its status, which is not in the index."""
_LIMITS = (timedelta(0), timedelta(minutes=1), timedelta(hours=1), timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Due:
    """Deliveries due in [begins, ends) from now. None: no such limit."""

    begins: timedelta | None
    ends: timedelta | None
    deliveries: int

    @property
    def more(self) -> bool:
        return self.deliveries >= COUNTED_AT_MOST


class Backlog:
    """Of all tenants: the index knows no other."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def by_due_time(self) -> list[Due]:
        """What is overdue first."""
        now = self._mongo.now()
        return await asyncio.gather(*(self._span(now, *limits) for limits in pairwise((None, *_LIMITS, None))))

    async def _span(self, now: datetime, begins: timedelta | None, ends: timedelta | None) -> Due:
        limits = {"$gte": begins, "$lt": ends}
        due = {name: now + limit for name, limit in limits.items() if limit is not None}
        async with unavailable_if_gone():
            count = await self._mongo.db.deliveries.count_documents(
                {"status": Status.WAITING, "due_at": due}, limit=COUNTED_AT_MOST, hint="due_at_1"
            )
        return Due(begins, ends, count)
