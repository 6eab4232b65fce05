"""Which marker last arrived through which delivery queue; one scheduler of several sends the next."""

from datetime import datetime, timedelta

from shared.store.duties import take
from shared.store.mongo import Mongo, unavailable_if_gone
from shared.times import at


class Markers:
    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def turn_to_send(self, queue: str, every: timedelta) -> bool:
        """True for the one caller that shall send a marker through `queue` now."""
        return await take(self._mongo, "markers", queue, every)

    async def arrived(self, queue: str, sent_at: float) -> None:
        async with unavailable_if_gone():
            await self._mongo.db.markers.update_one({"_id": queue}, {"$max": {"arrived": at(sent_at)}})

    async def last_arrived(self, *queues: str) -> datetime | None:
        """When the last marker that arrived had been sent: of several queues the earliest, None if one has none."""
        async with unavailable_if_gone():
            found = await self._mongo.db.markers.find({"_id": {"$in": queues}}).to_list(None)
        arrived = [document["arrived"] for document in found if "arrived" in document]
        return min(arrived) if len(arrived) == len(queues) else None
