"""What can happen to deliveries that fan-out puts in line at their endpoint, and to an event that it cannot mark."""

import asyncio
from datetime import timedelta

from shared.contracts.event import parse
from shared.contracts.health import News
from shared.contracts.message import QueuedDelivery
from shared.store.health import WebhookHealths
from tests.faults.bench import Scenario

_KNOWN_SECONDS = 0.8  # fan-out looks more often


class InLine(Scenario):
    """A line reaches far: one goes to a worker all the same, one stands behind, one was there before, in no queue.

    Then it turns out that the endpoint is well, and what stands there is brought forward.
    """

    process = "fanout"
    ends = ("succeeded",) * 3

    async def begin(self) -> None:
        await self.create_webhooks()
        mongo, [webhook_id] = self.bench.mongo, self.webhook_ids
        now = mongo.now()
        await WebhookHealths(mongo).save([News(webhook_id, self.tenant, deferred_until=now + timedelta(hours=1))])
        await asyncio.sleep(_KNOWN_SECONDS)
        there_before = QueuedDelivery.first(parse(self.event("event-3"), now=now), webhook_id, now.timestamp())
        await self.bench.deliveries.insert([there_before], now)
        await self.bench.publish(b"[" + b",".join(self.event(f"event-{number}") for number in (1, 2, 3)) + b"]")


class UnwritableEvent(Scenario):
    """The database refuses an event whose deliveries are with the workers, until somebody repairs it."""

    process = "fanout"
    ends = ("succeeded", "succeeded")

    async def begin(self) -> None:
        self.failures = self._failures()
        await self.create_webhooks()
        await self._accept_only({"event_id": {"$ne": f"refused-{self.tenant}"}})
        await self.bench.publish(self.event(f"refused-{self.tenant}"))
        await self.bench.publish(self.event("event-2"))

    def _failures(self) -> int:
        return self.bench.running["fanout"].log.read_bytes().count(b"fanout.message_failed")

    async def happened(self) -> bool:
        return self._failures() >= self.failures + 2  # so the first was given back

    async def recover(self) -> None:
        await self._accept_only({})

    async def settled(self) -> bool:
        marked = {"tenant_id": self.tenant}
        return await self.bench.mongo.db.events.count_documents(marked) == len(self.ends)

    async def _accept_only(self, validator: object) -> None:
        await self.bench.mongo.db.command("collMod", "events", validator=validator)
