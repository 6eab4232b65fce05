"""A sample event for one webhook: an ordinary delivery, made without asking which other webhooks would match."""

from collections.abc import Callable
from datetime import datetime

import orjson

from shared.contracts.delivery import Step, Wait, WaitingFor
from shared.contracts.event import AcceptedEvent
from shared.contracts.event_types import EVENT_TYPES
from shared.contracts.message import QueuedDelivery
from shared.contracts.webhook import SampleSent, Webhook
from shared.errors import Refused
from shared.ids import random_event_id
from shared.matching import type_matches
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.times import iso


class Samples:
    """The scheduler hands them over, so that the API needs no broker."""

    def __init__(self, *, events: Events, deliveries: Deliveries, clock: Callable[[], datetime]) -> None:
        self._events = events
        self._deliveries = deliveries
        self._clock = clock

    async def send(self, webhook: Webhook, event_type: str | None) -> SampleSent:
        """An event with its delivery, which is due now. Raises Refused for an inactive webhook."""
        if not webhook.is_active:
            raise Refused(409, "INVALID_REQUEST", f"the webhook is inactive: {webhook.disabled_reason}")
        now = self._clock()
        event = _sample(webhook, event_type or _first_type(webhook), now)
        queued = QueuedDelivery.first(event, webhook.id, now.timestamp())
        await self._events.mark([event])
        await self._deliveries.insert([queued], now)
        due = Wait(now, WaitingFor.RETRY)
        await self._deliveries.record([Step(queued.id, queued.tenant_id, now, queued.turn, due)])
        return SampleSent(event_id=event.event_id, delivery_id=queued.id)


def _first_type(webhook: Webhook) -> str:
    return next(name for name in EVENT_TYPES if any(type_matches(pattern, name) for pattern in webhook.event_types))


def _sample(webhook: Webhook, event_type: str, now: datetime) -> AcceptedEvent:
    return AcceptedEvent(
        tenant_id=webhook.tenant_id,
        event_id=random_event_id(),
        type=event_type,
        timestamp=iso(now),
        data=orjson.dumps(EVENT_TYPES[event_type].example),
        trace=None,
    )
