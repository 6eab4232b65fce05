"""What customers may see of deliveries, and do with them; HTTP is in `routes`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from services.api.listing import next_cursor
from shared.contracts.delivery import LIVE, DeliveryDetail, DeliveryRecord, Status, WaitingFor
from shared.contracts.history import CancelAnswer, CancelWanted, DeliveryPage, TenantHistory, WebhookHistory
from shared.contracts.listing import Position
from shared.errors import Refused
from shared.ids import event_key
from shared.store.by_hand import ByHand
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.history import History
from shared.store.keys import ApiKey
from shared.store.orders import Orders
from shared.store.webhooks import Webhooks

CANCELLED_AT_ONCE = 10_000
_GROUP = 1_000


class DeliveryService:
    """A tenant sees and touches only its own; the operator's key, which has no tenant, all."""

    def __init__(
        self,
        *,
        deliveries: Deliveries,
        by_hand: ByHand,
        orders: Orders,
        history: History,
        events: Events,
        webhooks: Webhooks,
        clock: Callable[[], datetime],
    ) -> None:
        self._deliveries = deliveries
        self._by_hand = by_hand
        self._orders = orders
        self._history = history
        self._events = events
        self._webhooks = webhooks
        self._clock = clock

    async def of_webhook(self, key: ApiKey, webhook_id: str, wanted: WebhookHistory) -> DeliveryPage:
        await self._need_webhook(key, webhook_id)
        return await self._page({"webhook_id": webhook_id}, wanted)

    async def of_tenant(self, key: ApiKey, wanted: TenantHistory) -> DeliveryPage:
        """Also those of webhooks that are deleted by now."""
        tenant_id = key.tenant(wanted.tenant_id)
        if wanted.webhook_id is None:
            return await self._page({"tenant_id": tenant_id}, wanted)
        page = await self._page({"webhook_id": wanted.webhook_id}, wanted)
        # A webhook has one tenant. Asking MongoDB for both would read all deliveries of another tenant's in vain.
        own = all(record.tenant_id == tenant_id for record in page.deliveries)
        return page if own else DeliveryPage(deliveries=[], next_cursor=None)

    async def _page(self, of: dict[str, str], wanted: WebhookHistory) -> DeliveryPage:
        statuses = [wanted.status.value] if wanted.status else []
        found = await self._history.page(of, wanted, statuses, wanted.behind, wanted.limit + 1)
        records = [DeliveryRecord.of(document) for document in found[: wanted.limit]]
        positions = [Position(document["created_at"], document["_id"]) for document in found]
        return DeliveryPage(deliveries=records, next_cursor=next_cursor(positions, wanted.limit))

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
        if document.get("waiting_for") == WaitingFor.ORDER:
            words = "its turn has not come: its webhook is ordered, and an earlier delivery has not ended"
            raise Refused(409, "INVALID_REQUEST", words)
        if document["status"] not in LIVE:
            event_id = event_key(document["tenant_id"], document["event_id"])
            if not await self._events.marked([event_id]):
                raise Refused(409, "INVALID_REQUEST", "its event is no longer kept; it cannot be sent again")
        await self._by_hand.attempt_now([delivery_id], self._clock())
        return await self.get(key, delivery_id)

    async def cancel(self, key: ApiKey, delivery_id: str) -> DeliveryDetail:
        """No further attempt; a request under way may still arrive, and counts if it succeeds."""
        document = await self._find(key, delivery_id)
        cancelled = await self._by_hand.cancel([delivery_id], self._clock())
        if not cancelled and document["status"] != Status.CANCELLED:
            ended = (await self._find(key, delivery_id))["status"]
            raise Refused(409, "INVALID_REQUEST", f"it ended already: {ended}", ended=ended)
        if "order" in document:
            await self._orders.look_now(document["webhook_id"])
        return await self.get(key, delivery_id)

    async def cancel_many(self, key: ApiKey, webhook_id: str, wanted: CancelWanted) -> CancelAnswer:
        """So many as can be cancelled in the time of a request; the answer says whether there are more."""
        await self._need_webhook(key, webhook_id)
        of = {"webhook_id": webhook_id}
        statuses = [wanted.status.value] if wanted.status else [status.value for status in LIVE]
        if wanted.dry_run:
            found = await self._history.count(of, wanted, statuses, 1_000_000)
            return CancelAnswer(cancelled=found, more=False, dry_run=True)
        cancelled = 0
        while cancelled < CANCELLED_AT_ONCE:
            positions = await self._history.oldest(of, wanted, statuses, None, _GROUP)
            if not positions:
                break
            cancelled += await self._by_hand.cancel(_ids(positions), self._clock())
            await self._orders.look_now(webhook_id)
        return CancelAnswer(cancelled=cancelled, more=cancelled >= CANCELLED_AT_ONCE, dry_run=False)

    async def _need_webhook(self, key: ApiKey, webhook_id: str) -> None:
        if await self._webhooks.get(webhook_id, key.tenant_id) is None:
            raise Refused(404, "WEBHOOK_NOT_FOUND", f"there is no webhook {webhook_id!r:.60}")

    async def _find(self, key: ApiKey, delivery_id: str) -> dict[str, Any]:
        document = (await self._deliveries.get([delivery_id])).get(delivery_id)
        if document is None or key.tenant_id not in (None, document["tenant_id"]):
            raise Refused(404, "INVALID_REQUEST", f"there is no delivery {delivery_id!r:.60}")
        return document


def _ids(positions: Sequence[Position]) -> list[str]:
    return [position.id for position in positions]
