"""Events as documents. An event's document is the mark that its fan-out is done."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bson.binary import Binary
from pymongo.errors import BulkWriteError

from shared.contracts.event import AcceptedEvent
from shared.contracts.event_history import EventHistory
from shared.contracts.trace import Trace
from shared.ids import event_key
from shared.store.duplicates import only_duplicates
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.paging import newest, window

VERSION = 1
EVENT_MISSING = "event_missing"
COMES_WITHIN = timedelta(days=3)
"""An event that has deliveries, and no document by then, will not get one any more."""
_CHUNK = 2_000


class Events:
    """`retention` is how long an event is kept: longer than its deliveries, which are rebuilt from it."""

    def __init__(self, mongo: Mongo, *, retention: timedelta) -> None:
        self._mongo = mongo
        self._retention = retention

    async def marked(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` (see `event_key`) whose fan-out is done."""
        async with unavailable_if_gone():
            cursor = self._mongo.db.events.find({"_id": {"$in": list(keys)}}, {"_id": 1})
            return {document["_id"] for document in await cursor.to_list(None)}

    async def mark(self, events: Sequence[AcceptedEvent]) -> None:
        """Insert their documents; one that is there already stays as it is."""
        now = self._mongo.now()
        documents = [
            {
                "_id": event_key(event.tenant_id, event.event_id),
                "v": VERSION,
                "tenant_id": event.tenant_id,
                "event_id": event.event_id,
                "event": event.type,
                "timestamp": event.timestamp,
                "data": Binary(event.data),
                **_trace_fields(event.trace),
                "created_at": now,
                "expires_at": now + self._retention,
            }
            for event in events
        ]
        for start in range(0, len(documents), _CHUNK):
            await insert_new(self._mongo, "events", documents[start : start + _CHUNK])

    async def find(self, key: str) -> Document | None:
        """The whole document."""
        async with unavailable_if_gone():
            return await self._mongo.db.events.find_one({"_id": key})

    async def page(self, tenant_id: str, wanted: EventHistory, limit: int) -> list[Document]:
        """Newest first, without `data`."""
        query = {"tenant_id": tenant_id, **window(wanted.behind, since=wanted.since, until=wanted.until)}
        if wanted.event_type:
            query["event"] = wanted.event_type
        return await newest(self._mongo, "events", query, index="tenant", limit=limit, projection={"data": 0})

    async def count(self, tenant_ids: Sequence[str], since: datetime, most: int) -> int:
        """Fanned out since then, counted in the index up to `most`."""
        query = {"tenant_id": {"$in": list(tenant_ids)}, "created_at": {"$gte": since}}
        async with unavailable_if_gone():
            return await self._mongo.db.events.count_documents(query, limit=most, hint="tenant")

    async def get(self, keys: Iterable[str]) -> dict[str, AcceptedEvent]:
        """By key; what was erased or expired is absent."""
        async with unavailable_if_gone():
            cursor = self._mongo.db.events.find({"_id": {"$in": list(keys)}})
            return {document["_id"]: _event(document) for document in await cursor.to_list(None)}


def _event(document: Document) -> AcceptedEvent:
    return AcceptedEvent(
        tenant_id=document["tenant_id"],
        event_id=document["event_id"],
        type=document["event"],
        timestamp=document["timestamp"],
        data=bytes(document["data"]),
        trace=Trace(document["trace"], document.get("trace_state")) if document["trace"] else None,
    )


def _trace_fields(trace: Trace | None) -> Document:
    if trace is None or trace.state is None:
        return {"trace": trace.parent if trace else None}
    return {"trace": trace.parent, "trace_state": trace.state}


async def insert_new(mongo: Mongo, collection: str, documents: Sequence[Document]) -> set[str]:
    """Insert, each judged by itself; answers the ids of those that were there before."""
    if not documents:
        return set()
    async with unavailable_if_gone():
        try:
            await mongo.db[collection].insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if not only_duplicates(error):
                raise
            return {failure["keyValue"]["_id"] for failure in error.details["writeErrors"]}
    return set()
