"""Which marker last arrived through which delivery queue; one scheduler of several sends the next."""

from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from shared.store.mongo import Mongo, unavailable_if_gone
from shared.times import at


class Markers:
    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def turn_to_send(self, queue: str, every: timedelta) -> bool:
        """True for the one caller that shall send a marker through `queue` now."""
        now = self._mongo.now()
        async with unavailable_if_gone():
            try:
                result = await self._mongo.db.markers.update_one(
                    {"_id": queue, "next_at": {"$lte": now}}, {"$set": {"next_at": now + every}}, upsert=True
                )
            except DuplicateKeyError:  # there, and not due: the upsert found no match and could not insert
                return False
        return result.modified_count == 1 or result.upserted_id is not None

    async def arrived(self, queue: str, sent_at: float) -> None:
        async with unavailable_if_gone():
            await self._mongo.db.markers.update_one({"_id": queue}, {"$max": {"arrived": at(sent_at)}})

    async def last_arrived(self, queue: str) -> datetime | None:
        """When the last marker that arrived had been sent."""
        async with unavailable_if_gone():
            document = await self._mongo.db.markers.find_one({"_id": queue})
        return document.get("arrived") if document else None
