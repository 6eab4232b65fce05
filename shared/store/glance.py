"""How much waits for whom, of all tenants: bounded counts in indexes, for somebody who looks every few seconds."""

from dataclasses import dataclass
from datetime import datetime

from pymongo.errors import OperationFailure

from shared.contracts.delivery import Status
from shared.errors import StoreUnavailable
from shared.store.backlog import Backlog, Due
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.times import EPOCH

MOST = 10_000
"""Nothing is counted further."""
FAILURES = 20
"""In a row, from which on a webhook is in trouble: what the index holds."""


@dataclass(frozen=True, kw_only=True)
class Glance:
    """`due`: what waits, by when it is due. `oldest_due`, `oldest_handed`: of what waits for the clock, for the
    broker. `failing`: webhooks with FAILURES or more since their last success.
    """

    at: datetime
    due: list[Due]
    oldest_due: datetime | None
    oldest_handed: datetime | None
    dead: int
    failing: int


class Glances:
    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def glance(self) -> Glance:
        """Raises StoreUnavailable, also where an index is missing."""
        try:
            return await self._glance()
        except OperationFailure as error:
            raise StoreUnavailable(f"MongoDB: {error.details.get('errmsg') if error.details else error}") from error

    async def _glance(self) -> Glance:
        async with unavailable_if_gone():
            return Glance(
                at=self._mongo.now(),
                due=await Backlog(self._mongo).by_due_time(),
                oldest_due=await self._oldest(Status.WAITING, "due_at"),
                oldest_handed=await self._oldest(Status.PENDING, "handed_at"),
                dead=await self._count("deliveries", {"status": Status.DEAD}, "dead"),
                failing=await self._count("webhook_health", {"failures": {"$gte": FAILURES}}, "failures"),
            )

    async def _oldest(self, status: Status, field: str) -> datetime | None:
        query = {"status": status, field: {"$gte": EPOCH}}
        found = self._mongo.db.deliveries.find(query, {field: 1}).hint(f"{field}_1").sort(field).limit(1)
        documents: list[Document] = await found.to_list(None)
        return documents[0][field] if documents else None

    async def _count(self, collection: str, query: Document, index: str) -> int:
        return await self._mongo.db[collection].count_documents(query, hint=index, limit=MOST)
