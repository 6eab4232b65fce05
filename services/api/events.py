"""What customers may see of one event: which webhooks it went to, and why not to the others; HTTP is in `routes`."""

from typing import Any

import orjson
from pydantic_core import from_json

from services.api.webhooks import explained
from shared.contracts.delivery import DeliveryRecord
from shared.contracts.webhook import Webhook
from shared.errors import Refused
from shared.ids import delivery_id, event_key
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.keys import ApiKey
from shared.store.webhooks import Webhooks


class EventService:
    """Webhooks that are deleted by now are not mentioned: their deliveries are found by their ids only."""

    def __init__(self, *, events: Events, deliveries: Deliveries, webhooks: Webhooks) -> None:
        self._events = events
        self._deliveries = deliveries
        self._webhooks = webhooks

    async def get(self, key: ApiKey, event_id: str, tenant_id: str | None) -> dict[str, Any]:
        """The event as JSON, with each webhook of its tenant: its delivery, and what today's settings say."""
        tenant = key.tenant(tenant_id)
        identity = event_key(tenant, event_id)
        event = (await self._events.get([identity])).get(identity)
        if event is None:
            raise Refused(404, "INVALID_REQUEST", f"there is no event {event_id!r:.60}, or it is no longer kept")
        webhooks = {delivery_id(tenant, event_id, one.id): one for one in await self._webhooks.of_tenant(tenant)}
        deliveries = await self._deliveries.get(webhooks)
        data = from_json(event.data)  # the parser that validated it
        return {
            "id": event.event_id,
            "tenant_id": event.tenant_id,
            "event": event.type,
            "timestamp": event.timestamp,
            "data": orjson.Fragment(event.data),
            "webhooks": [_row(one, event.type, data, deliveries.get(identity)) for identity, one in webhooks.items()],
        }


def _row(webhook: Webhook, event_type: str, data: Any, document: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "webhook_id": webhook.id,
        "delivery": DeliveryRecord.of(document).model_dump() if document else None,
        "by_settings_of_now": explained(webhook, event_type, data).model_dump(),
    }
