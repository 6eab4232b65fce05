"""Hourly statistics for customers; HTTP is in `routes`."""

from datetime import timedelta

from shared.contracts.stats import StatsPage, StatsWanted
from shared.errors import Refused
from shared.store.keys import ApiKey
from shared.store.mongo import Mongo
from shared.store.stats import Stats
from shared.store.webhooks import Webhooks

_LONGEST = timedelta(days=31)


class StatsService:
    """A tenant sees only its own."""

    def __init__(self, *, mongo: Mongo, stats: Stats, webhooks: Webhooks) -> None:
        self._mongo = mongo
        self._stats = stats
        self._webhooks = webhooks

    async def page(self, key: ApiKey, wanted: StatsWanted) -> StatsPage:
        """Of one webhook, whose tenant need not be named, or of all of a tenant together."""
        tenant_id = await self._tenant(key, wanted)
        until = wanted.until or self._mongo.now()
        since = max(wanted.since or until - timedelta(days=1), until - _LONGEST)
        hour = since.replace(minute=0, second=0, microsecond=0)
        return StatsPage(stats=await self._stats.hours(tenant_id, wanted.webhook_id, hour, until), next_cursor=None)

    async def _tenant(self, key: ApiKey, wanted: StatsWanted) -> str:
        if wanted.webhook_id is None:
            return key.tenant(wanted.tenant_id)
        tenant = key.tenant_or_all(wanted.tenant_id)
        webhook = await self._webhooks.get(wanted.webhook_id, tenant)
        if webhook is None:
            raise Refused(404, "WEBHOOK_NOT_FOUND", f"there is no webhook {wanted.webhook_id!r:.60}")
        return webhook.tenant_id
