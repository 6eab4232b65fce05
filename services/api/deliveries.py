"""What customers may see of one delivery, and do with it; HTTP is in `routes`."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from shared.contracts.delivery import LIVE, DeliveryDetail, Status
from shared.errors import Refused
from shared.ids import event_key
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.keys import ApiKey
from shared.store.webhooks import Webhooks


class DeliveryService:
    """A tenant sees and touches only its own; the operator's key, which has no tenant, all."""

    def __init__(
        self, *, deliveries: Deliveries, events: Events, webhooks: Webhooks, clock: Callable[[], datetime]
    ) -> None:
        self._deliveries = deliveries
        self._events = events
        self._webhooks = webhooks
        self._clock = clock

    async def get(self, key: ApiKey, delivery_id: str) -> DeliveryDetail:
        """With every attempt that is kept, and the body as it was posted while its event is kept."""
        document = await self._find(key, delivery_id)
        event_id = event_key(document["tenant_id"], document["event_id"])
        event = (await self._events.get([event_id])).get(event_id)
        return DeliveryDetail.with_body(document, event.payload(delivery_id) if event else None)

    async def retry(self, key: ApiKey, delivery_id: str) -> DeliveryDetail:
        """What waits is attempted now; what ended, also well, is sent again in a new round."""
        document = await self._find(key, delivery_id)
        if await self._webhooks.get(document["webhook_id"]) is None:
            raise Refused(409, "INVALID_REQUEST", "its webhook was deleted; there is nowhere to send it to")
        if document["status"] not in LIVE:
            event_id = event_key(document["tenant_id"], document["event_id"])
            if not await self._events.marked([event_id]):
                raise Refused(409, "INVALID_REQUEST", "its event is no longer kept; it cannot be sent again")
        await self._deliveries.attempt_now(delivery_id, self._clock())
        return await self.get(key, delivery_id)

    async def cancel(self, key: ApiKey, delivery_id: str) -> DeliveryDetail:
        """No further attempt; a request under way may still arrive, and counts if it succeeds."""
        document = await self._find(key, delivery_id)
        if not await self._deliveries.cancel(delivery_id, self._clock()) and document["status"] != Status.CANCELLED:
            ended = (await self._find(key, delivery_id))["status"]
            raise Refused(409, "INVALID_REQUEST", f"it ended already: {ended}", ended=ended)
        return await self.get(key, delivery_id)

    async def _find(self, key: ApiKey, delivery_id: str) -> dict[str, Any]:
        document = (await self._deliveries.get([delivery_id])).get(delivery_id)
        if document is None or key.tenant_id not in (None, document["tenant_id"]):
            raise Refused(404, "INVALID_REQUEST", f"there is no delivery {delivery_id!r:.60}")
        return document
