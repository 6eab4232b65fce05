"""Deliveries as documents: what must happen. Every step of a delivery's life is one write here."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from pymongo import ReturnDocument
from pymongo.read_concern import ReadConcern

from shared.contracts.cell import Cell
from shared.contracts.delivery import Status, Step, WaitingFor
from shared.contracts.message import QueuedDelivery
from shared.store.events import insert_new
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.steps import operations
from shared.store.uncounted import Uncounted
from shared.times import EPOCH, at

VERSION = 1
_NO_END = datetime.max.replace(tzinfo=UTC)
_NO_SLOTS: Mapping[str, datetime] = MappingProxyType({})


class Deliveries:
    """`retention` is how long a delivery is kept once it ended.

    Whatever ends a delivery names its cell before (`Uncounted`), so that no figure misses it whoever dies when. What
    leaves it alive may name it at any time: who dies before leaves that to whoever moves the delivery next.
    """

    def __init__(self, mongo: Mongo, *, retention: timedelta) -> None:
        self._mongo = mongo
        self._retention = retention
        self._uncounted = Uncounted(mongo, retention=retention)

    async def insert(
        self, deliveries: Sequence[QueuedDelivery], now: datetime, slots: Mapping[str, datetime] = _NO_SLOTS
    ) -> set[str]:
        """Insert as pending, turn 1, handed over at `now`; answers the ids of those that were there before.

        Those that have a slot wait for it instead, as if a worker had been handed them and had put them off.
        """
        documents = [_first_of(delivery, now, slots.get(delivery.id)) for delivery in deliveries]
        known, _ = await asyncio.gather(  # side by side, so that this is no slower than the insert alone
            insert_new(self._mongo, "deliveries", documents), self._uncounted.name(map(Cell.of_document, documents))
        )
        return known

    async def get(self, ids: Iterable[str]) -> dict[str, Document]:
        """From the primary, by id."""
        async with unavailable_if_gone():
            cursor = self._mongo.db.deliveries.find({"_id": {"$in": list(ids)}})
            return {document["_id"]: document for document in await cursor.to_list(None)}

    async def record(self, steps: Sequence[Step]) -> None:
        """Write attempts and what is next, in one bulk. Writing the same steps again changes nothing.

        Success always wins. Any other decision counts only under its own turn and while the delivery lives; the
        attempt of one that came too late goes to the history and decides nothing.
        """
        now = self._mongo.now()
        writes = [operation for step in steps for operation in operations(step, now, self._retention)]
        async with self._uncounted.changing(step.cell for step in steps), unavailable_if_gone():
            await self._mongo.db.deliveries.bulk_write(writes, ordered=True)

    async def count_fault(self, delivery_id: str, turn: int) -> int | None:
        """Add 1 to `faults` before a step that may crash us; None when this turn is over."""
        async with unavailable_if_gone():
            document = await self._mongo.db.deliveries.find_one_and_update(
                {"_id": delivery_id, "turn": turn, "status": Status.PENDING},
                {"$inc": {"faults": 1}},
                projection={"faults": 1},
                return_document=ReturnDocument.AFTER,
            )
        return document["faults"] if document else None

    async def due(self, limit: int, until: datetime = _NO_END) -> list[tuple[str, datetime]]:
        """The next that wait, until then at most, soonest first, with `due_at`: some may lie in the future."""
        query = {"status": Status.WAITING, "due_at": {"$gt": EPOCH, "$lte": until}}  # what waits for its order has none
        async with unavailable_if_gone():
            cursor = self._mongo.db.deliveries.find(query, {"due_at": 1}).sort("due_at", 1).limit(limit)
            return [(document["_id"], document["due_at"]) for document in await cursor.to_list(None)]

    async def claim_due(self, ids: Sequence[str], claim: str, now: datetime) -> list[Document]:
        """Hand these to the broker, as far as nobody else did: pending, turn + 1. Answers what this claim got."""
        return await self._claim(ids, claim, now, {"status": Status.WAITING, "due_at": {"$lte": now}})

    async def claim_next(self, ids: Sequence[str], claim: str, now: datetime) -> list[Document]:
        """For ordered webhooks' deliveries whose turn has come."""
        return await self._claim(ids, claim, now, {"status": Status.WAITING, "waiting_for": WaitingFor.ORDER})

    async def lost(self, turns: Document, before: datetime, limit: int) -> list[str]:
        """Deliveries handed to the broker before `before` that nobody decided; `turns` tells the queue."""
        async with unavailable_if_gone():
            cursor = self._mongo.db.deliveries.find(
                {"status": Status.PENDING, "handed_at": {"$lt": before}, "turn": turns}, {"_id": 1}
            )
            return [document["_id"] for document in await cursor.limit(limit).to_list(None)]

    async def claim_lost(self, ids: Sequence[str], before: datetime, claim: str, now: datetime) -> list[Document]:
        return await self._claim(ids, claim, now, {"status": Status.PENDING, "handed_at": {"$lt": before}})

    async def claim_again(self, ids: Sequence[str], claim: str, now: datetime) -> list[Document]:
        """For a publish that failed: a new turn for those that nobody decided meanwhile."""
        return await self._claim(ids, claim, now, {"status": Status.PENDING})

    async def _claim(self, ids: Sequence[str], claim: str, now: datetime, condition: Document) -> list[Document]:
        deliveries = self._mongo.db.deliveries
        async with unavailable_if_gone():
            await deliveries.update_many(
                {"_id": {"$in": list(ids)}, **condition},
                {
                    "$set": {"status": Status.PENDING, "handed_at": now, "claim": claim},
                    "$inc": {"turn": 1},
                    "$unset": {"due_at": "", "waiting_for": ""},
                },
            )
            cursor = deliveries.find({"_id": {"$in": list(ids)}, "claim": claim, "status": Status.PENDING})
            claimed = await cursor.to_list(None)
        await self._uncounted.name(map(Cell.of_document, claimed))
        return claimed

    async def bring_forward(self, webhook_id: str, now: datetime, waiting_for: WaitingFor) -> int:
        """What waits at this webhook for this is due now."""
        query = {"webhook_id": webhook_id, "status": Status.WAITING, "waiting_for": waiting_for}
        return await self._due_now(query, now)

    async def bring_some_forward(self, webhook_id: str, now: datetime, limit: int) -> int:
        """The next that wait for a retry or in line, in their order, are due now; answers how many those were."""
        query = {"webhook_id": webhook_id, "status": Status.WAITING, "due_at": {"$gt": now}}
        query["waiting_for"] = {"$in": [WaitingFor.RETRY, WaitingFor.SLOT]}
        async with unavailable_if_gone():
            cursor = self._mongo.db.deliveries.find(query, {"_id": 1}).sort("due_at", 1).hint("waiting").limit(limit)
            ids = [document["_id"] for document in await cursor.to_list(None)]
        return await self._due_now({**query, "_id": {"$in": ids}}, now) if ids else 0

    async def _due_now(self, query: Document, now: datetime) -> int:
        async with unavailable_if_gone():
            result = await self._mongo.db.deliveries.update_many(
                query, {"$set": {"due_at": now}, "$unset": {"slot_at": ""}}
            )
        return result.modified_count


async def known_for_good(mongo: Mongo, ids: Sequence[str]) -> set[str]:
    """Those that are there and will not vanish with a primary: an event may be marked on their account."""
    certain = mongo.db.get_collection("deliveries", read_concern=ReadConcern("majority"))
    async with unavailable_if_gone():
        cursor = certain.find({"_id": {"$in": list(ids)}}, {"_id": 1})
        return {document["_id"] for document in await cursor.to_list(None)}


def _first_of(delivery: QueuedDelivery, now: datetime, slot: datetime | None) -> Document:
    document = document_of(delivery, now)
    if slot:
        document |= {"status": Status.WAITING, "due_at": slot, "waiting_for": WaitingFor.SLOT}
        del document["handed_at"]
    return document


def held(delivery: QueuedDelivery, now: datetime, waiting_for: WaitingFor) -> Document:
    """The document of a delivery that waits before it is handed over for the first time, which will be its turn 1."""
    document = document_of(delivery, now) | {"status": Status.WAITING, "turn": 0, "waiting_for": waiting_for}
    del document["handed_at"]
    return document


def document_of(delivery: QueuedDelivery, now: datetime) -> Document:
    """Of a delivery that is handed over at `now`."""
    return {
        "_id": delivery.id,
        "v": VERSION,
        "tenant_id": delivery.tenant_id,
        "webhook_id": delivery.webhook_id,
        "event_id": delivery.event_id,
        "event": delivery.event,
        "status": Status.PENDING,
        "turn": 1,
        "round": 1,
        "faults": 0,
        "attempt_count": 0,
        "attempts": [],
        "created_at": at(delivery.created_at),
        "handed_at": now,
    }
