"""Which keys closed what is stored, and whether they open it."""

from collections.abc import Sequence

from shared.errors import DeliveryFault
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.secrets import SecretBox


class KeyUse:
    """Looks through all webhooks. Raises StoreUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def in_use(self) -> list[str]:
        """Ids of keys."""
        webhooks = self._mongo.db.webhooks
        async with unavailable_if_gone():
            found = {*await webhooks.distinct("secrets.key"), *await webhooks.distinct("headers.key")}
        return sorted(found)

    async def webhooks_with(self, key: str) -> int:
        async with unavailable_if_gone():
            return await self._mongo.db.webhooks.count_documents(_closed_with(key))

    async def unopened(self, box: SecretBox, keys: Sequence[str]) -> list[str]:
        """Those of the keys that do not open what they should have closed, tried on one webhook each."""
        return [key for key in keys if not await self._opens(box, key)]

    async def _opens(self, box: SecretBox, key: str) -> bool:
        async with unavailable_if_gone():
            document = await self._mongo.db.webhooks.find_one(_closed_with(key), {"secrets": 1, "headers": 1})
        if document is None:
            return True
        stored = [*document["secrets"], *([document["headers"]] if document.get("headers") else [])]
        try:
            for one in stored:
                if one["key"] == key:
                    box.open(one, document["_id"])
        except DeliveryFault:
            return False
        return True


def _closed_with(key: str) -> Document:
    return {"$or": [{"secrets.key": key}, {"headers.key": key}]}
