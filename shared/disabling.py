"""Sets a webhook inactive by ourselves, and lets the tenant's other webhooks hear of it."""

from collections.abc import Callable
from datetime import datetime

import orjson

from shared.broker.publisher import Publisher
from shared.broker.topology import EVENTS
from shared.contracts.event_types import WEBHOOK_DISABLED
from shared.contracts.webhook import Webhook
from shared.store.webhooks import Webhooks
from shared.times import iso


class Disabling:
    def __init__(self, *, webhooks: Webhooks, publisher: Publisher, clock: Callable[[], datetime]) -> None:
        self._webhooks = webhooks
        self._publisher = publisher
        self._clock = clock

    async def disable(self, webhook_id: str, reason: str) -> None:
        """One that is inactive already, or deleted, stays as it is. Raises DependencyUnavailable.

        The event goes first: dying in between repeats it under the same id instead of keeping the news back.
        """
        webhook = await self._webhooks.get(webhook_id)
        if webhook and webhook.is_active:
            await self._publisher.publish(EVENTS, WEBHOOK_DISABLED, _event(webhook, reason, self._clock()))
            await self._webhooks.deactivate(webhook_id, reason)


def _event(webhook: Webhook, reason: str, now: datetime) -> bytes:
    return orjson.dumps(
        {
            "event": WEBHOOK_DISABLED,
            "tenant_id": webhook.tenant_id,
            "event_id": f"{WEBHOOK_DISABLED}.{webhook.id}.{webhook.version}",
            "data": {"webhook_id": webhook.id, "reason": reason},
            "timestamp": iso(now),
        }
    )
