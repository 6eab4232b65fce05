"""Deliveries as documents: what must happen. Every step of a delivery's life is one write here."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, assert_never

from bson.binary import Binary
from pymongo import ReturnDocument, UpdateOne

from shared.contracts.delivery import (
    ATTEMPTS_KEPT,
    LIVE,
    Attempt,
    Cancelled,
    Dead,
    Status,
    Step,
    Succeeded,
    Wait,
    WaitingFor,
)
from shared.contracts.message import QueuedDelivery
from shared.store.events import insert_new
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.times import at

VERSION = 1
CANCELLED_BY_CUSTOMER = "cancelled_by_customer"
_LIVE = [status.value for status in LIVE]


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
        operations = [operation for step in steps for operation in self._operations(step, _attempt_end(step) or now)]
        async with unavailable_if_gone():
            await self._mongo.db.deliveries.bulk_write(operations, ordered=True)

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
                {"_id": delivery_id, "status": {"$nin": _LIVE}},
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
                {"_id": delivery_id, "status": {"$in": _LIVE}},
                {**self._ended(Status.CANCELLED, CANCELLED_BY_CUSTOMER, {}, now), "$inc": {"turn": 1}},
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

    def _operations(self, step: Step, ended: datetime) -> list[UpdateOne]:
        changes = self._changes(step, ended)
        if step.attempt is None:
            return [UpdateOne(_own_turn(step), changes)]
        made = attempt_document(step.attempt)
        if isinstance(step.decision, Succeeded) and step.attempt.n <= ATTEMPTS_KEPT:
            # By id alone, which the database answers without planning; a repeated write finds its attempt there.
            return [UpdateOne({"_id": step.delivery_id}, {**changes, "$addToSet": {"attempts": made}})]
        new = {"attempts.key": {"$ne": step.attempt.key}}
        push = {"attempts": {"$each": [made], "$slice": -ATTEMPTS_KEPT}}
        if isinstance(step.decision, Succeeded):
            return [UpdateOne({"_id": step.delivery_id, **new}, {**changes, "$push": push})]
        return [
            UpdateOne({**_own_turn(step), **new}, {**changes, "$push": push}),
            UpdateOne({"_id": step.delivery_id, **new}, {"$push": push}),  # too late: history only
        ]

    def _changes(self, step: Step, ended: datetime) -> Document:
        """`$set` and `$unset` of a decision."""
        values: Document = {"faults": 0, "attempt_count": step.attempt.n} if step.attempt else {}
        match step.decision:
            case Succeeded():
                return self._ended(Status.SUCCEEDED, None, values, ended)
            case Dead(reason=reason):
                return self._ended(Status.DEAD, reason, values, ended)
            case Cancelled(reason=reason):
                return self._ended(Status.CANCELLED, reason, values, ended)
            case Wait(due_at=due_at, reason=why):
                return {"$set": {**values, "status": Status.WAITING, "due_at": due_at, "waiting_for": why}}
            case _:
                assert_never(step.decision)

    def _ended(self, status: Status, reason: str | None, values: Document, ended: datetime) -> Document:
        return {
            "$set": {
                **values,
                "status": status,
                "ended_at": ended,
                "expires_at": ended + self._retention,
                **({"reason": reason} if reason else {}),
            },
            "$unset": {"due_at": "", "waiting_for": ""},
        }


def _attempt_end(step: Step) -> datetime | None:
    """When its attempt ended: the same whenever it is written."""
    return step.attempt.at + timedelta(milliseconds=step.attempt.duration_ms) if step.attempt else None


def _own_turn(step: Step) -> Document:
    return {"_id": step.delivery_id, "turn": step.turn, "status": {"$in": _LIVE}}


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


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    document: dict[str, Any] = {
        "key": attempt.key,
        "n": attempt.n,
        "turn": attempt.turn,
        "round": attempt.round,
        "at": attempt.at,
        "duration_ms": attempt.duration_ms,
        "outcome": attempt.outcome,
    }
    if attempt.status_code is not None:
        document["status_code"] = attempt.status_code
    if attempt.error is not None:
        document |= {"error": attempt.error, "detail": attempt.detail}
    if attempt.answer:
        document["answer"] = Binary(attempt.answer)
    return document
