"""Slots: moments at which requests to a rate-limited webhook may go out, handed out once for all workers together."""

from datetime import datetime, timedelta

from pymongo import ReturnDocument

from shared.store.mongo import Mongo, unavailable_if_gone

VERSION = 1


class Slots:
    """One document a webhook: when its next slot is. A slot that nobody uses is lost, and nothing else with it."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def reserve(self, webhook_id: str, per_second: float, count: int) -> list[datetime]:
        """The next `count` slots, the first of them now if it is free."""
        now, apart = self._mongo.now(), timedelta(seconds=1 / per_second)
        first = {"$max": ["$next_at", now]}
        span_ms = round(count * apart.total_seconds() * 1000)
        async with unavailable_if_gone():
            document = await self._mongo.db.slots.find_one_and_update(
                {"_id": webhook_id},
                [
                    {"$set": {"v": VERSION, "first": first}},
                    {"$set": {"next_at": {"$add": ["$first", span_ms]}}},
                ],
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        begin: datetime = document["first"]
        return [begin + number * apart for number in range(count)]

    async def forget(self, webhook_id: str) -> None:
        """For a webhook whose limit changed: what was handed out by the old one holds no longer."""
        async with unavailable_if_gone():
            await self._mongo.db.slots.delete_one({"_id": webhook_id})
