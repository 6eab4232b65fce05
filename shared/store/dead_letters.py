"""Dead letters as lists and counts, of all tenants: an index holds them alone, with all that they are chosen by."""

from collections.abc import Iterable, Sequence
from typing import Any

from shared.contracts.dead_letters import DeadLettersWanted
from shared.contracts.delivery import Status
from shared.contracts.listing import Position
from shared.ids import event_key
from shared.store.events import Events
from shared.store.history import narrowed
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.paging import newest, oldest
from shared.times import EPOCH

_LAST_ATTEMPT = {"attempts": {"$slice": -1}}


class DeadLetters:
    """Reads only. What is done with them is in `by_hand`."""

    def __init__(self, mongo: Mongo, *, events: Events) -> None:
        self._mongo = mongo
        self._events = events

    async def count(self, wanted: DeadLettersWanted, most: int | None = None) -> int:
        """In the index, unless ids are given; up to `most`."""
        limit: dict[str, Any] = {"limit": most} if most else {}
        async with unavailable_if_gone():
            return await self._mongo.db.deliveries.count_documents(_query(wanted), hint=_index(wanted), **limit)

    async def page(self, wanted: DeadLettersWanted, limit: int, behind: Position | None = None) -> list[Document]:
        """Newest first, each with its last attempt only."""
        query, index = _query(wanted, behind), _index(wanted)
        return await newest(self._mongo, "deliveries", query, index=index, limit=limit, projection=_LAST_ATTEMPT)

    async def oldest(self, wanted: DeadLettersWanted, after: Position | None, limit: int) -> list[Document]:
        """From behind `after`, without attempts: for work that goes through all of them."""
        query, index = _query(wanted), _index(wanted)
        return await oldest(
            self._mongo, "deliveries", query, after, index=index, limit=limit, projection={"attempts": 0}
        )

    async def others(self, ids: Sequence[str]) -> dict[str, str]:
        """Of these deliveries those that are no dead letters, and why not."""
        async with unavailable_if_gone():
            cursor = self._mongo.db.deliveries.find({"_id": {"$in": list(ids)}}, {"status": 1})
            statuses = {document["_id"]: document["status"] for document in await cursor.to_list(None)}
        return {
            delivery_id: f"{delivery_id} is {statuses[delivery_id]}" if delivery_id in statuses else f"no {delivery_id}"
            for delivery_id in ids
            if statuses.get(delivery_id) != Status.DEAD
        }

    async def closed(self, letters: Iterable[Document]) -> dict[str, str]:
        """Webhooks that would let a new round die at once, and why."""
        ids = {letter["webhook_id"] for letter in letters}
        async with unavailable_if_gone():
            cursor = self._mongo.db.webhooks.find({"_id": {"$in": list(ids)}}, {"is_active": 1, "disabled_reason": 1})
            found = {document["_id"]: document for document in await cursor.to_list(None)}
        deleted = {webhook_id: f"{webhook_id} was deleted" for webhook_id in ids - found.keys()}
        inactive = {
            webhook_id: f"{webhook_id} is inactive ({webhook['disabled_reason']})"
            for webhook_id, webhook in found.items()
            if not webhook["is_active"]
        }
        return deleted | inactive

    async def without_event(self, letters: Iterable[Document]) -> set[str]:
        """Ids of those whose event is no longer kept, so that there is nothing to send."""
        keys = {letter["_id"]: event_key(letter["tenant_id"], letter["event_id"]) for letter in letters}
        kept = await self._events.marked(list(set(keys.values())))
        return {delivery_id for delivery_id, key in keys.items() if key not in kept}


def _query(wanted: DeadLettersWanted, behind: Position | None = None) -> Document:
    # A condition on its first field, without which MongoDB reads each document to judge the others.
    query = {"created_at": {"$gte": EPOCH}, **narrowed(wanted, [Status.DEAD], behind)}
    if wanted.ids:
        query["_id"] = {"$in": list(wanted.ids)}
    for field in ("tenant_id", "webhook_id", "reason"):
        if value := getattr(wanted, field):
            query[field] = value
    return query


def _index(wanted: DeadLettersWanted) -> str:
    return "_id_" if wanted.ids else "dead"
