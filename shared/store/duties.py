"""Whose turn it is: of many processes that have the same duty, one does it at a time.

This saves work and promises nothing: a duty has to be harmless when two do it at once.
"""

from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from shared.store.mongo import Mongo, unavailable_if_gone


async def take(mongo: Mongo, collection: str, name: str, every: timedelta) -> bool:
    """True for the one caller whose turn it is now; nobody's turn comes for `every` after that."""
    now = mongo.now()
    async with unavailable_if_gone():
        try:
            result = await mongo.db[collection].update_one(
                {"_id": name, "next_at": {"$lte": now}}, {"$set": {"next_at": now + every}}, upsert=True
            )
        except DuplicateKeyError:  # there, and not due: the upsert found no match and could not insert
            return False
    return result.modified_count == 1 or result.upserted_id is not None


class Duties:
    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def take(self, name: str, every: timedelta) -> bool:
        return await take(self._mongo, "duties", name, every)

    async def rest(self, name: str, pause: timedelta) -> None:
        """Nobody's turn comes for `pause` from now."""
        async with unavailable_if_gone():
            await self._mongo.db.duties.update_one({"_id": name}, {"$set": {"next_at": self._mongo.now() + pause}})
