"""What can happen to deliveries that wait before they are handed over for the first time."""

import json
from datetime import timedelta
from itertools import pairwise
from typing import Any

from shared.contracts.event import parse
from shared.contracts.message import QueuedDelivery
from shared.store.events import COMES_WITHIN, EVENT_MISSING
from shared.store.orders import Orders
from tests.cluster import Received
from tests.faults.bench import RETENTION, Scenario


class Coalesced(Scenario):
    """Two updates of one session: the older one ends folded, the newer is sent once its window is over."""

    process = "fanout"
    ends = ("folded", "succeeded")

    async def create_webhooks(self, **fields: Any) -> None:
        await super().create_webhooks(event_type="session.progress", coalesce_seconds=0.1, **fields)

    async def begin(self) -> None:
        await self.create_webhooks()
        updates = [self.event(name).replace(b"session.created", b"session.progress") for name in ("older", "newer")]
        await self.bench.publish(b"[" + b",".join(updates) + b"]", routing_key="session.progress")

    async def check(self) -> None:
        await super().check()
        older, newer = sorted(await self.documents(), key=lambda document: document["status"])
        assert (older["event_id"], older["folded_into"]) == ("older", newer["_id"])


class CoalescedAndDue(Coalesced):
    process = "scheduler"


class Ordered(Scenario):
    """Three in order, of which the first fails once."""

    process = "fanout"
    ends = ("succeeded",) * 3

    def __init__(self, bench: Any) -> None:
        super().__init__(bench)
        self.attempts: list[tuple[str, int]] = []  # delivery, answer

    async def create_webhooks(self, **fields: Any) -> None:
        await super().create_webhooks(ordered=True, **fields)

    async def begin(self) -> None:
        await self.create_webhooks()
        await self.bench.publish(b"[" + b",".join(map(self.event, self.names())) + b"]")

    def names(self) -> list[str]:
        return [f"event-{number}" for number in range(len(self.ends))]

    def answer(self, received: Received) -> Any:
        delivery = json.loads(received.body)["delivery_id"]
        status = 500 if not self.attempts else 200
        self.attempts.append((delivery, status))
        return status

    async def check(self) -> None:
        """Each came for the first time when all before it had been taken."""
        await super().check()
        documents = sorted(await self.documents(), key=lambda document: document["sequence"])
        assert [document["event_id"] for document in documents] == self.names()
        order = [document["_id"] for document in documents]
        taken = {delivery: self.attempts.index((delivery, 200)) for delivery in order}
        came = {delivery: [one for one, _ in self.attempts].index(delivery) for delivery in order}
        for before, behind in pairwise(order):
            assert taken[before] < came[behind], self.attempts


class OrderedAtWorker(Ordered):
    """Who takes one hands over the next."""

    process = "delivery"


class OrderedAndForgotten(Ordered):
    """Inserted and marked by somebody who died before the first was handed over."""

    process = "scheduler"

    async def begin(self) -> None:
        await self.create_webhooks()
        now, mongo = self.bench.mongo.now(), self.bench.mongo
        events = [parse(self.event(name), now=now) for name in self.names()]
        queued = [QueuedDelivery.first(event, self.webhook_ids[0], now.timestamp()) for event in events]
        await self.bench.events.mark(events)
        await Orders(mongo, retention=RETENTION, look_every=timedelta(0)).insert(self.webhook_ids[0], queued)


class OrderedEventMissing(Ordered):
    """The first waits for an event that will not come any more."""

    process = "scheduler"
    ends = ("dead",)
    reason = EVENT_MISSING

    async def begin(self) -> None:
        await self.create_webhooks()
        old = self.bench.mongo.now() - COMES_WITHIN - timedelta(hours=1)
        event = parse(self.event("event-0"), now=old)
        queued = QueuedDelivery.first(event, self.webhook_ids[0], old.timestamp())
        orders = Orders(self.bench.mongo, retention=RETENTION, look_every=timedelta(0))
        await orders.insert(self.webhook_ids[0], [queued])

    async def check(self) -> None:
        await Scenario.check(self)
