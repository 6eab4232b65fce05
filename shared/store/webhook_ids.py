"""Which webhooks and tenants there are, by their ids alone."""

from collections.abc import Sequence

from shared.store.mongo import Mongo, unavailable_if_gone


class WebhookIds:
    """Nothing of a webhook is read or decrypted."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def of_tenants(self, tenant_ids: Sequence[str]) -> list[str]:
        """Of all their webhooks."""
        query = {"tenant_id": {"$in": list(tenant_ids)}}
        async with unavailable_if_gone():
            found = await self._mongo.db.webhooks.find(query, {"_id": 1}).hint("tenant").to_list(None)
        return [document["_id"] for document in found]

    async def few_tenants(self, tenants: int, webhooks: int) -> list[str] | None:
        """All that ever had a webhook; None when they, or the webhooks of all, are more than so many."""
        async with unavailable_if_gone():
            found = await self._mongo.db.tenants.find({}, {"_id": 1}).hint("_id_").limit(tenants + 1).to_list(None)
            if len(found) > tenants:
                return None
            count = await self._mongo.db.webhooks.count_documents({}, limit=webhooks + 1, hint="all")
        return [document["_id"] for document in found] if count <= webhooks else None
