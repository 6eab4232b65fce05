"""Deliveries as documents: what must happen. Every step of a delivery's life is one write here."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pymongo import ReturnDocument

from shared.contracts.delivery import Status, Step, WaitingFor
from shared.contracts.message import QueuedDelivery
from shared.store.events import insert_new
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.steps import LIVE_STATUSES, ending, operations
from shared.times import at

VERSION = 1
CANCELLED_BY_CUSTOMER = "cancelled_by_customer"


class Deliveries:
    """`retention` is how long a delivery is kept once it ended."""

    def __init__(self, mongo: Mongo, *, retention: timedelta) -> None:
        self._mongo = mongo
        self._retention = retention

    async def insert(self, deliveries: Sequence[QueuedDelivery], now: datetime) -> set[str]:
        """Insert as pending, turn 1, handed over at `now`; answers the ids of those that were there before."""
        return await insert_new(self._mongo, "deliveries", [_document(delivery, now) for delivery in deliveries])

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
        async with unavailable_if_gone():
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

    async def due(self, limit: int) -> list[tuple[str, datetime]]:
        """The next waiting deliveries, soonest first, with `due_at`: some may lie in the future."""
        async with unavailable_if_gone():
            cursor = (
                self._mongo.db.deliveries.find({"status": Status.WAITING}, {"due_at": 1}).sort("due_at", 1).limit(limit)
            )
            return [(document["_id"], document["due_at"]) for document in await cursor.to_list(None)]

    async def claim_due(self, ids: Sequence[str], claim: str, now: datetime) -> list[Document]:
        """Hand these to the broker, as far as nobody else did: pending, turn + 1. Answers what this claim got."""
        return await self._claim(ids, claim, now, {"status": Status.WAITING, "due_at": {"$lte": now}})

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
            return await cursor.to_list(None)

    async def page(
        self, webhook_id: str, *, before: tuple[datetime, str] | None, limit: int, status: str | None
    ) -> list[Document]:
        """A webhook's deliveries, newest first, from behind the given (created_at, id)."""
        query: Document = {"webhook_id": webhook_id}
        if status:
            query["status"] = status
        if before:
            query["$or"] = [
                {"created_at": {"$lt": before[0]}},
                {"created_at": before[0], "_id": {"$lt": before[1]}},
            ]
        async with unavailable_if_gone():
            cursor = self._mongo.db.deliveries.find(query).sort([("created_at", -1), ("_id", -1)]).limit(limit)
            return await cursor.to_list(None)

    async def attempt_now(self, delivery_id: str, now: datetime) -> None:
        """What waits is due now; what ended begins a new round. What the broker owns is attempted anyway."""
        deliveries = self._mongo.db.deliveries
        async with unavailable_if_gone():
            await deliveries.update_one({"_id": delivery_id, "status": Status.WAITING}, {"$set": {"due_at": now}})
            await deliveries.update_one(
                {"_id": delivery_id, "status": {"$nin": LIVE_STATUSES}},
                [
                    {
                        "$set": {
                            "status": Status.WAITING,
                            "due_at": now,
                            "waiting_for": WaitingFor.RETRY,
                            "round": {"$add": ["$round", 1]},
                            "round_started_at": now,
                            "attempts_before_round": "$attempt_count",
                            "faults": 0,
                        }
                    },
                    {"$unset": ["ended_at", "expires_at", "reason"]},
                ],
            )

    async def cancel(self, delivery_id: str, now: datetime) -> bool:
        """End one that lives. It gets a new turn, so that whoever is at the old one can no longer decide."""
        async with unavailable_if_gone():
            result = await self._mongo.db.deliveries.update_one(
                {"_id": delivery_id, "status": {"$in": LIVE_STATUSES}},
                {**ending(Status.CANCELLED, CANCELLED_BY_CUSTOMER, now, self._retention), "$inc": {"turn": 1}},
            )
        return result.modified_count == 1

    async def bring_forward(self, webhook_id: str, now: datetime) -> int:
        """What waits for this webhook to be resumed is due now."""
        async with unavailable_if_gone():
            result = await self._mongo.db.deliveries.update_many(
                {"webhook_id": webhook_id, "status": Status.WAITING, "waiting_for": WaitingFor.RESUME},
                {"$set": {"due_at": now}},
            )
        return result.modified_count


def _document(delivery: QueuedDelivery, now: datetime) -> Document:
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
