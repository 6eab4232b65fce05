"""What can happen to messages in fan-out, worker and scheduler, as far as it leads through different awaits."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared.broker.topology import DELIVERIES
from shared.contracts.delivery import Dead, Step, Wait, WaitingFor
from shared.contracts.event import parse
from shared.contracts.health import BreakerReport, News
from shared.contracts.message import DeliveryMessage, QueuedDelivery, encode
from shared.ids import delivery_id
from shared.store.health import WebhookHealths
from shared.store.jobs import DONE, ERASURE, REPLAY, Jobs
from tests.cluster import Received, until
from tests.faults.bench import Scenario
from tests.faults.held import (
    Coalesced,
    CoalescedAndDue,
    Ordered,
    OrderedAndForgotten,
    OrderedAtWorker,
    OrderedEventMissing,
)
from tests.faults.standing import InLine, UnwritableEvent

# --- fan-out


class OneEvent(Scenario):
    process = "fanout"


class ArrayWithOneUnusable(Scenario):
    """Two of its events go on, one is parked."""

    process = "fanout"
    ends = ("succeeded", "succeeded")
    parked = 1
    sentinel = ""

    async def begin(self) -> None:
        await self.create_webhooks()
        bad = b'{"event":"session.created","tenant_id":"%b","data":{}}' % self.tenant.encode()
        await self.bench.publish(b"[" + b",".join([self.event("event-1"), bad, self.event("event-2")]) + b"]")

    async def settled(self) -> bool:
        """Fan-out takes one batch after the other: one that comes behind ours is done."""
        if not self.sentinel:
            self.sentinel = f"{self.tenant}-sentinel"
            await self.bench.publish(self.event("behind").replace(self.tenant.encode(), self.sentinel.encode()))
        return await self.bench.mongo.db.events.find_one({"tenant_id": self.sentinel}) is not None


class NoWorker(Scenario):
    """Deliveries pile up: fan-out makes larger batches first, then stops taking, until a worker is back."""

    process = "fanout"
    ends = ("succeeded",) * 6

    async def begin(self) -> None:
        self.waits = self._waits()
        await self.create_webhooks()
        self.bench.running["delivery"].kill()
        for number in range(len(self.ends)):
            await self.bench.publish(self.event(f"event-{number}"))
            await until(lambda: self._queued_or_stuck(number + 1), 10, self.bench.explain, every=0.01)  # noqa: B023

    async def _queued_or_stuck(self, wanted: int) -> bool:
        if not self.bench.running["fanout"].alive():
            return True
        return await self.bench.depth(DELIVERIES) >= min(wanted, 4)

    def _waits(self) -> int:
        return self.bench.running["fanout"].log.read_bytes().count(b'"event":"fanout.waiting"')

    async def happened(self) -> bool:
        return self._waits() >= self.waits + 2

    async def recover(self) -> None:
        self.bench.start("delivery")


class Flood(Scenario):
    """More than its tenant's share, while the workers do not keep up: it goes through the queue for that."""

    process = "fanout"
    webhooks = 4
    ends = ("succeeded",) * 48  # more than any other tenant here has lately

    async def begin(self) -> None:
        await self.create_webhooks()
        self.bench.running["delivery"].kill()
        await until(self._a_marker_lies_there, 10, self.bench.explain, every=0.01)
        await self.bench.publish(b"[" + b",".join(self.event(f"event-{number}") for number in range(12)) + b"]")

    async def _a_marker_lies_there(self) -> bool:
        return await self.bench.depth(DELIVERIES) > 0

    async def happened(self) -> bool:
        return len(await self.documents()) == len(self.ends)

    async def recover(self) -> None:
        self.bench.start("delivery")


class InCompany(Scenario):
    """Behind a batch that had company the next one waits for its own."""

    process = "fanout"
    ends = ("succeeded",) * 31
    before_start = True
    is_behind = False

    async def begin(self) -> None:
        await self.create_webhooks()
        for number in range(30):
            await self.bench.publish(self.event(f"event-{number}"))

    async def happened(self) -> bool:
        if len(await self.documents()) == 30:
            await self.recover()
        return await self.ended()

    async def recover(self) -> None:
        """Also when it died before: the thirty may come as two batches, and the second has company as well."""
        if not self.is_behind:
            self.is_behind = True
            await self.bench.publish(self.event("behind"))


class BrokenWebhook(Scenario):
    """A document that our code trips over: the batch fails, then one of its messages, until somebody repairs it.

    Its neighbours' messages go on, one at a time.
    """

    process = "fanout"
    before_start = True  # so that its messages are one batch

    async def begin(self) -> None:
        self.failures = self._failures()
        await self.create_webhooks()
        await self.change_by_hand({"$unset": {"event_types": ""}})
        self.neighbour = f"neighbour-of-{self.tenant}"
        url = f"{self.bench.endpoint.url}/{self.tenant}/neighbour"
        await self.bench.site.create_webhook(url, tenant_id=self.neighbour)
        await self.bench.publish(self.event("event-1"))
        for event_id in ("event-1", "event-2"):
            await self.bench.publish(self.event(event_id).replace(self.tenant.encode(), self.neighbour.encode()))

    async def ended(self) -> bool:
        theirs = {"tenant_id": self.neighbour, "status": "succeeded"}
        return await self.bench.mongo.db.deliveries.count_documents(theirs) == 2 and await super().ended()

    def _failures(self) -> int:
        return self.bench.running["fanout"].log.read_bytes().count(b"fanout.message_failed")

    async def happened(self) -> bool:
        return self._failures() >= self.failures + 2  # so the first was given back

    async def recover(self) -> None:
        await self.change_by_hand({"$set": {"event_types": ["session.created"]}})


# --- worker


class Fresh(Scenario):
    process = "delivery"


class SlowEndpoint(Scenario):
    """Answers after its message was let go of."""

    process = "delivery"

    async def answer(self, received: Received) -> int:  # type: ignore[override]
        await asyncio.sleep(0.6)
        return 200


class SlowForOnce(Scenario):
    """Answers one at once, and the other, which was waited for because of that, after its message was let go of."""

    process = "delivery"
    ends = ("succeeded", "succeeded")

    async def begin(self) -> None:
        await self.create_webhooks()
        await self.bench.publish(b"[" + self.event("event-1") + b"," + self.event("event-2") + b"]")

    async def answer(self, received: Received) -> int:  # type: ignore[override]
        if received.headers["X-Allure-Delivery"] == delivery_id(self.tenant, "event-2", self.webhook_ids[0]):
            await asyncio.sleep(0.6)
        return 200


class CrowdedEndpoint(Scenario):
    """More deliveries than the endpoints, and the worker, have places for."""

    process = "delivery"
    webhooks = 3
    ends = ("succeeded",) * 12

    async def begin(self) -> None:
        await self.create_webhooks()
        await self.bench.publish(b"[" + b",".join(self.event(f"event-{n}") for n in range(4)) + b"]")

    async def answer(self, received: Received) -> int:  # type: ignore[override]
        await asyncio.sleep(0.03)
        return 200


class RateLimited(Scenario):
    """The second of them waits for its slot."""

    process = "delivery"
    ends = ("succeeded", "succeeded")

    async def create_webhooks(self, **fields: Any) -> None:
        await super().create_webhooks(rate_limit=1, **fields)

    async def begin(self) -> None:
        await self.create_webhooks()
        await self.bench.publish(b"[" + self.event("event-1") + b"," + self.event("event-2") + b"]")


class NamedHost(Scenario):
    """A worker that has not yet resolved the endpoint's name."""

    process = "delivery"
    host = "localhost"
    before_start = True


class LastAttemptFails(Scenario):
    process = "delivery"
    ends = ("dead",)
    reason = "attempts_exhausted"
    dead_letters = 1

    async def create_webhooks(self, **fields: Any) -> None:
        await super().create_webhooks(max_attempts=1, **fields)

    def answer(self, received: Received) -> Any:
        return 500


class Gone(Scenario):
    """410: dead at once, and the webhook is set inactive."""

    process = "delivery"
    ends = ("dead",)
    dead_letters = 1

    def answer(self, received: Received) -> Any:
        return 410

    async def check(self) -> None:
        webhook = await self.bench.mongo.db.webhooks.find_one({"_id": self.webhook_ids[0]})
        assert (webhook["is_active"], webhook["disabled_reason"]) == (False, "gone")
        (document,) = await self.documents()
        # A crash after the webhook was set inactive lets its delivery find it so.
        assert document["reason"] in ("gone", "webhook_inactive")


class NotADeliveryMessage(Scenario):
    process = "delivery"
    ends = ()
    parked = 1
    ended_at: datetime | None = None

    async def begin(self) -> None:
        await self.bench.publish(b"not JSON, from " + self.tenant.encode(), "", DELIVERIES)

    async def settled(self) -> bool:
        """A marker that was sent later has arrived behind it."""
        self.ended_at = self.ended_at or self.bench.mongo.now()
        marker = await self.bench.mongo.db.markers.find_one({"_id": DELIVERIES})
        return bool(marker["arrived"] > self.ended_at)


class BrokenDocument(Scenario):
    """A message that our code trips over every time: the broker parks it, past its delivery limit."""

    process = "delivery"
    ends = ("pending",)
    parked = 1

    async def begin(self) -> None:
        broken = {"_id": f"delivery_of_{self.tenant}", "tenant_id": self.tenant, "status": "pending"}  # it has no turn
        await self.bench.mongo.db.deliveries.insert_one(broken)
        now = self.bench.mongo.seconds()
        queued = _queued(self.tenant, broken["_id"], "webhook_none", now, check=True)
        await self.bench.publish(encode(DeliveryMessage(handed_at=now, deliveries=[queued])), "", DELIVERIES)


class Redelivered(Scenario):
    """A message that came back, as after a crash: its deliveries go one by one."""

    process = "delivery"
    ends = ("succeeded", "succeeded")
    before_start = True

    async def begin(self) -> None:
        await self.create_webhooks()
        await self.bench.publish(b"[" + self.event("event-1") + b"," + self.event("event-2") + b"]")
        await until(self._is_taken, 10, self.bench.explain, every=0.01)

    async def _is_taken(self) -> bool:
        taken = [message async for message in self._all_queued()]
        for message in taken:
            await message.nack(requeue=True)
        return any(self.tenant.encode() in message.body for message in taken)

    async def _all_queued(self) -> Any:
        while message := await self.bench.take(DELIVERIES):
            yield message


class RedeliveredTooOften(Redelivered):
    ends = ("dead", "dead")
    reason = "internal"
    dead_letters = 2

    async def begin(self) -> None:
        await super().begin()
        await self.bench.mongo.db.deliveries.update_many({"tenant_id": self.tenant}, {"$set": {"faults": 5}})


class BrokenEndpoint(Scenario):
    """Its breaker opens while others wait for it: they stand in line, and go when it works."""

    process = "delivery"
    ends = ("succeeded",) * 8
    answers = 0

    async def begin(self) -> None:
        await self.create_webhooks()
        await self.bench.publish(b"[" + b",".join(self.event(f"event-{n}") for n in range(8)) + b"]")

    def answer(self, received: Received) -> Any:
        self.answers += 1
        return 500 if self.answers <= 6 else 200


class UnreadableSecret(Scenario):
    """A fault of ours, until somebody repairs it."""

    process = "delivery"

    async def begin(self) -> None:
        await self.create_webhooks()
        self.secrets = (await self.bench.mongo.db.webhooks.find_one({"_id": self.webhook_ids[0]}))["secrets"]
        broken = [{**secret, "key": "lost"} for secret in self.secrets]
        await self.change_by_hand({"$set": {"secrets": broken}})
        await self.bench.publish(self.event("event-1"))

    async def happened(self) -> bool:
        return any(document.get("waiting_for") == "fault" for document in await self.documents())

    async def recover(self) -> None:
        await self.change_by_hand({"$set": {"secrets": self.secrets}})


# --- scheduler


class Retry(Scenario):
    """Its second attempt is due soon after the first."""

    process = "scheduler"

    def answer(self, received: Received) -> Any:
        return 500 if received.headers["X-Allure-Attempt"] == "1" else 200


class LostByTheBroker(Scenario):
    """Handed over a while ago, and no message in any queue."""

    process = "scheduler"

    async def begin(self) -> None:
        await self.create_webhooks()
        mongo, webhook = self.bench.mongo, self.webhook_ids[0]
        long_ago = mongo.now() - timedelta(minutes=1)
        event = parse(self.event("event-1"), now=long_ago)
        identity = delivery_id(self.tenant, event.event_id, webhook)
        queued = _queued(self.tenant, identity, webhook, long_ago.timestamp())
        await self.bench.events.mark([event])
        await self.bench.deliveries.insert([queued], long_ago)


class Counted(Scenario):
    """Its figures come to say what became of it."""

    process = "scheduler"
    longer_seconds = 4.0  # between two looks at what is to be counted are two seconds

    async def ended(self) -> bool:
        hour = await self.bench.mongo.db.stats.find_one({"tenant_id": self.tenant, "webhook_id": None})
        counts = [minute["counts"] for minute in hour["minutes"].values()] if hour else []
        return counts == [{"succeeded": 1}] and await super().ended()


class Replayed(Scenario):
    """What ended dead gets one new round, of which one attempt is made; more than one step of the replay."""

    process = "scheduler"
    ends = ("succeeded",) * 3

    async def begin(self) -> None:
        await self.create_webhooks()
        mongo, webhook = self.bench.mongo, self.webhook_ids[0]
        ago = mongo.now() - timedelta(minutes=1)
        for number in range(len(self.ends)):
            event = parse(self.event(f"event-{number}"), now=ago)
            identity = delivery_id(self.tenant, event.event_id, webhook)
            await self.bench.events.mark([event])
            queued = _queued(self.tenant, identity, webhook, ago.timestamp(), event_id=event.event_id)
            await self.bench.deliveries.insert([queued], mongo.now())
            await self.bench.deliveries.record([Step(identity, self.tenant, ago, 1, Dead("attempts_exhausted"))])
        window = {"which": "failed", "since": ago - timedelta(minutes=1), "until": mongo.now(), "event_type": None}
        fields = {"webhook_id": webhook, **window, "per_second": 5, "total": len(self.ends), "sent": 0}
        self.replay = (await Jobs(mongo).start(REPLAY, self.tenant, fields))["_id"]

    async def ended(self) -> bool:
        job = await Jobs(self.bench.mongo).get(REPLAY, self.replay, self.tenant)
        assert job
        return job["status"] == "done" and await super().ended()

    async def check(self) -> None:
        await super().check()
        job = await Jobs(self.bench.mongo).get(REPLAY, self.replay, self.tenant)
        assert job
        assert job["sent"] == len(self.ends)
        assert {document["round"] for document in await self.documents()} == {2}


class Erased(Scenario):
    """Nothing of the tenant is left."""

    process = "scheduler"
    ends = ()

    async def begin(self) -> None:
        await self.create_webhooks()
        await self.bench.publish(self.event("event-1"))
        await until(self._delivered, 10, self.bench.explain, every=0.01)
        # All processes reckon the database's time for themselves: what is to be erased is clearly older than this.
        fields = {"deliveries": 0, "events": 0, "created_at": self.bench.mongo.now() + timedelta(minutes=1)}
        self.erasure = (await Jobs(self.bench.mongo).start(ERASURE, self.tenant, fields))["_id"]

    async def _delivered(self) -> bool:
        """And marked, so that nothing of it comes later."""
        marked = await self.bench.mongo.db.events.find_one({"tenant_id": self.tenant})
        return bool(marked) and [document["status"] for document in await self.documents()] == ["succeeded"]

    async def ended(self) -> bool:
        job = await Jobs(self.bench.mongo).get(ERASURE, self.erasure, self.tenant)
        assert job
        return job["status"] == "done" and await super().ended()

    async def check(self) -> None:
        assert await self.bench.mongo.db.events.count_documents({"tenant_id": self.tenant}) == 0


class Recovered(Scenario):
    """Stands in line for long at an endpoint that answers again."""

    process = "scheduler"
    longer_seconds = 4.0  # between two looks at who recovered are two seconds

    async def begin(self) -> None:
        await self.create_webhooks()
        mongo, webhook = self.bench.mongo, self.webhook_ids[0]
        now = mongo.now()
        event = parse(self.event("event-1"), now=now)
        queued = _queued(self.tenant, delivery_id(self.tenant, event.event_id, webhook), webhook, now.timestamp())
        await self.bench.events.mark([event])
        await self.bench.deliveries.insert([queued], now)
        until_then = now + timedelta(hours=1)
        in_line = Wait(until_then, WaitingFor.SLOT)
        await self.bench.deliveries.record([Step(queued.id, self.tenant, now, 1, in_line)])
        news = News(webhook, self.tenant, success_at=now, deferred_until=until_then)
        await WebhookHealths(mongo).save([news], "worker", self.breakers(webhook), [])

    def breakers(self, webhook_id: str) -> dict[str, BreakerReport]:
        return {}


class FailsAgain(Recovered):
    """Its breaker is open when the recovery has begun; closed later."""

    def breakers(self, webhook_id: str) -> dict[str, BreakerReport]:
        now = self.bench.mongo.now()
        return {webhook_id: BreakerReport(at=now, probe_at=now + timedelta(hours=1))}

    async def happened(self) -> bool:
        return bool(await self.bench.mongo.db.jobs.find_one({"_id": f"recovery_{self.webhook_ids[0]}", "status": DONE}))

    async def recover(self) -> None:
        await WebhookHealths(self.bench.mongo).save([], "worker", {}, self.webhook_ids)


class EventMissing(Scenario):
    """Waits for an event that will not come any more."""

    process = "scheduler"
    ends = ("dead",)
    reason = "event_missing"

    async def begin(self) -> None:
        await self.create_webhooks()
        old = self.bench.mongo.now() - timedelta(days=4)
        queued = _queued(self.tenant, f"delivery_of_{self.tenant}", self.webhook_ids[0], old.timestamp())
        await self.bench.deliveries.insert([queued], old)
        await self.bench.mongo.db.deliveries.update_one(
            {"_id": queued.id}, {"$set": {"status": "waiting", "due_at": old, "waiting_for": "retry"}}
        )


def _queued(
    tenant: str,
    identity: str,
    webhook_id: str,
    created_at: float,
    *,
    check: bool = False,
    event_id: str = "event-1",
) -> QueuedDelivery:
    return QueuedDelivery(
        id=identity,
        tenant_id=tenant,
        webhook_id=webhook_id,
        event_id=event_id,
        event="session.created",
        created_at=created_at,
        body=msgspec.Raw(b'{"tenant_id":"%b"}' % tenant.encode()),
        check=check,
    )


SCENARIOS: dict[str, tuple[type[Scenario], ...]] = {
    "fanout": (
        OneEvent,
        ArrayWithOneUnusable,
        Coalesced,
        Ordered,
        NoWorker,
        Flood,
        BrokenWebhook,
        UnwritableEvent,
        InCompany,
        InLine,
    ),
    "delivery": (
        Fresh,
        LastAttemptFails,
        NotADeliveryMessage,
        Gone,
        CrowdedEndpoint,
        SlowEndpoint,
        SlowForOnce,
        RateLimited,
        OrderedAtWorker,
        NamedHost,
        Redelivered,
        RedeliveredTooOften,
        BrokenEndpoint,
        UnreadableSecret,
        BrokenDocument,
    ),
    "scheduler": (
        Retry,
        EventMissing,
        CoalescedAndDue,
        OrderedAndForgotten,
        OrderedEventMissing,
        LostByTheBroker,
        Counted,
        Replayed,
        Erased,
        Recovered,
        FailsAgain,
    ),
}
"""Quick ones first: a point is killed in the first of them that comes by it."""
