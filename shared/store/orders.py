"""The order of ordered webhooks' deliveries: a number for each, from one counter a webhook. Only what lives has one."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import timedelta

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError

from shared.contracts.cell import Cell
from shared.contracts.delivery import WaitingFor
from shared.contracts.message import QueuedDelivery
from shared.store.deliveries import held, known_for_good
from shared.store.duplicates import only_duplicates
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.uncounted import Uncounted

VERSION = 1
_IDLE = timedelta(hours=1)  # longer than anybody takes from reserving numbers to inserting under them


class Orders:
    """`look_every`: so often somebody looks whether the next delivery of a webhook was handed over."""

    def __init__(self, mongo: Mongo, *, retention: timedelta, look_every: timedelta) -> None:
        self._mongo = mongo
        self._look_every = look_every
        self._uncounted = Uncounted(mongo, retention=retention)

    async def insert(self, webhook_id: str, deliveries: Sequence[QueuedDelivery]) -> int:
        """Insert these behind all that are there, in this order; answers how many were not there before.

        Whoever inserts one has found or inserted all of earlier events, and only then reserves its number; an insert
        ends at the first that somebody else was faster with. So a number is always greater than those of all earlier
        events, however many fan-outs are at the same events, and no delivery is there before those.
        """
        fresh, made = deliveries, 0
        while fresh:
            inserted = await self._insert(webhook_id, fresh)
            made += inserted
            if inserted == len(fresh):
                break
            known = await known_for_good(self._mongo, [delivery.id for delivery in fresh])
            fresh = [delivery for delivery in fresh if delivery.id not in known]
        return made

    async def _insert(self, webhook_id: str, deliveries: Sequence[QueuedDelivery]) -> int:
        """Up to the first that is there already; answers how many that were."""
        first, now = await self._reserve(webhook_id, len(deliveries)), self._mongo.now()
        documents = [
            held(delivery, now, WaitingFor.ORDER) | {"order": number, "sequence": number}
            for number, delivery in enumerate(deliveries, first)
        ]
        await self._uncounted.name(map(Cell.of_document, documents))
        async with unavailable_if_gone():
            try:
                await self._mongo.db.deliveries.insert_many(documents, ordered=True)
            except BulkWriteError as error:
                if not only_duplicates(error):
                    raise
                return int(error.details["nInserted"])
        return len(documents)

    async def _reserve(self, webhook_id: str, count: int) -> int:
        """The first of so many numbers. From now on somebody looks at this webhook from time to time."""
        now = self._mongo.now()
        update: Document = {
            "$inc": {"last": count},
            "$min": {"look_at": now + self._look_every},
            "$set": {"reserved_at": now},
            "$setOnInsert": {"v": VERSION},
        }
        async with unavailable_if_gone():
            document = await self._mongo.db.orders.find_one_and_update(
                {"_id": webhook_id}, update, upsert=True, return_document=ReturnDocument.AFTER
            )
        return int(document["last"]) - count + 1

    async def heads(self, webhook_ids: Collection[str]) -> list[Document]:
        """The first living delivery of each webhook, as far as they have one."""
        found = await asyncio.gather(*map(self._head, webhook_ids))
        return [document for document in found if document]

    async def _head(self, webhook_id: str) -> Document | None:
        async with unavailable_if_gone():
            return await self._mongo.db.deliveries.find_one(
                {"webhook_id": webhook_id, "order": {"$gt": 0}}, sort=[("order", 1)], hint="order"
            )

    async def look_now(self, webhook_id: str) -> None:
        """For whoever ended a delivery and hands nothing over."""
        async with unavailable_if_gone():
            await self._mongo.db.orders.update_one({"_id": webhook_id}, {"$set": {"look_at": self._mongo.now()}})

    async def due(self, limit: int) -> list[Document]:
        """Webhooks that somebody should look at now, the longest due first."""
        async with unavailable_if_gone():
            cursor = self._mongo.db.orders.find({"look_at": {"$lte": self._mongo.now()}})
            return await cursor.sort("look_at", 1).limit(limit).to_list(None)

    async def looked(self, orders: Sequence[Document], living: Collection[str]) -> None:
        """Somebody did; `living` are those with living deliveries. What was idle for long is not looked at again."""
        now = self._mongo.now()
        writes = [
            UpdateOne({"_id": order["_id"], "look_at": order["look_at"]}, {"$set": {"look_at": now + self._look_every}})
            if order["_id"] in living or order["reserved_at"] > now - _IDLE
            else UpdateOne({name: order[name] for name in ("_id", "look_at", "last")}, {"$unset": {"look_at": ""}})
            for order in orders
        ]
        async with unavailable_if_gone():
            await self._mongo.db.orders.bulk_write(writes, ordered=False)
