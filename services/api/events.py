"""What customers may see of events: which webhooks each went to, and why not to the others; HTTP is in `routes`."""

from dataclasses import dataclass
from typing import Any

import orjson
from pydantic_core import from_json

from services.api.listing import next_cursor
from services.api.webhooks import explained
from shared.contracts.delivery import DeliveryRecord
from shared.contracts.event_history import EventAtWebhook, EventHistory, EventPage, EventSummary
from shared.contracts.listing import Position
from shared.contracts.webhook import Webhook
from shared.errors import Refused
from shared.ids import delivery_id, event_key
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.keys import ApiKey
from shared.store.webhooks import Webhooks
from shared.times import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFound:
    """`data` as it was published. `urls`: of the webhooks, by id."""

    summary: EventSummary
    data: bytes
    webhooks: list[EventAtWebhook]
    urls: dict[str, str]


class EventService:
    """Webhooks that are deleted by now are not mentioned: their deliveries are in the tenant's history."""

    def __init__(self, *, events: Events, deliveries: Deliveries, webhooks: Webhooks) -> None:
        self._events = events
        self._deliveries = deliveries
        self._webhooks = webhooks

    async def page(self, key: ApiKey, wanted: EventHistory) -> EventPage:
        found = await self._events.page(key.tenant(wanted.tenant_id), wanted, wanted.limit + 1)
        following = next_cursor([Position(one["created_at"], one["_id"]) for one in found], wanted.limit)
        return EventPage(events=[_summary(one) for one in found[: wanted.limit]], next_cursor=following)

    async def get(self, key: ApiKey, event_id: str, tenant_id: str | None) -> dict[str, Any]:
        """As `EventDetail`, with `data` as the bytes that were published, which no model would keep."""
        found = await self.find(key, event_id, tenant_id)
        return {
            **found.summary.model_dump(),
            "data": orjson.Fragment(found.data),
            "webhooks": [one.model_dump() for one in found.webhooks],
        }

    async def find(self, key: ApiKey, event_id: str, tenant_id: str | None) -> EventFound:
        tenant = key.tenant(tenant_id)
        document = await self._events.find(event_key(tenant, event_id))
        if document is None:
            raise Refused(404, "INVALID_REQUEST", f"there is no event {event_id!r:.60}, or it is no longer kept")
        webhooks = {delivery_id(tenant, event_id, one.id): one for one in await self._webhooks.of_tenant(tenant)}
        deliveries = await self._deliveries.get(webhooks)
        raw = bytes(document["data"])
        data = from_json(raw)  # the parser that validated it
        return EventFound(
            summary=_summary(document),
            data=raw,
            webhooks=[_at(one, document["event"], data, deliveries.get(name)) for name, one in webhooks.items()],
            urls={one.id: one.url for one in webhooks.values()},
        )


def _summary(document: dict[str, Any]) -> EventSummary:
    return EventSummary(
        id=document["event_id"],
        tenant_id=document["tenant_id"],
        event=document["event"],
        timestamp=document["timestamp"],
        created_at=iso(document["created_at"]),
    )


def _at(webhook: Webhook, event_type: str, data: Any, document: dict[str, Any] | None) -> EventAtWebhook:
    return EventAtWebhook(
        webhook_id=webhook.id,
        delivery=DeliveryRecord.of(document) if document else None,
        by_settings_of_now=explained(webhook, event_type, data),
    )
