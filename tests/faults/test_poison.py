"""One delivery that cannot be made ends by itself; its neighbours in the same message arrive."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.servers import Server
from tests.cluster import SESSION, until
from tests.faults.bench import Bench, Scenario, bench

NEIGHBOURS = 49
POISON = "the-poisonous-one"


@pytest.fixture
async def site(rabbitmq: Server, mongodb: Server, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path, rabbitmq.url, mongodb.url) as made:
        yield made


class FiftyInOneMessage(Scenario):
    """An array of events is one message to fan-out, and so its deliveries are one to the worker."""

    ends = ("dead", *["succeeded"] * NEIGHBOURS)
    dead_letters = 1

    async def begin(self) -> None:
        await self.create_webhooks()
        users = [f"neighbour-{number}" for number in range(NEIGHBOURS)]
        users.insert(NEIGHBOURS // 2, POISON)
        await self.bench.publish(json.dumps([self.of(user) for user in users]).encode())

    def of(self, user: str) -> dict[str, object]:
        data = SESSION | {"user_id": user}
        return {"event": "session.created", "tenant_id": self.tenant, "event_id": f"of-{user}", "data": data}

    async def dead_one(self) -> dict[str, object]:
        (dead,) = [document for document in await self.documents() if document["status"] == "dead"]
        return dead


async def test_a_delivery_that_crashes_the_worker_every_time_ends_dead_and_its_49_neighbours_arrive(
    site: Bench,
) -> None:
    scenario = FiftyInOneMessage(site)
    site.running["delivery"].kill()
    site.start("delivery", POISON=POISON)
    await scenario.begin()
    crashes = 0

    async def ended_with_restarts() -> bool:
        nonlocal crashes
        if site.running["delivery"].crashed():
            crashes += 1
            site.start("delivery", POISON=POISON)
        return await scenario.ended()

    await until(ended_with_restarts, 60, site.explain)
    dead = await scenario.dead_one()
    assert (dead["event_id"], dead["reason"]) == (f"of-{POISON}", "internal")
    assert scenario.requests[str(dead["_id"])] == 0
    assert len(scenario.requests) == NEIGHBOURS
    assert 2 <= crashes <= 10
    scenario.check_letters()


class TwoWebhooksOneUnreadable(Scenario):
    """One event for two webhooks; the secret of one is encrypted with a key that nobody has."""

    webhooks = 2
    ends = ("dead", "succeeded")
    dead_letters = 1

    async def begin(self) -> None:
        await self.create_webhooks()
        await self.change_by_hand({"$set": {"secrets.0.key": "lost"}})
        await self.bench.publish(self.event("event-1"))

    async def ended(self) -> bool:
        """Hurries on, instead of waiting out the growing pauses between two looks at a fault."""
        await self.bench.mongo.db.deliveries.update_many(
            {"tenant_id": self.tenant, "status": "waiting", "waiting_for": "fault"},
            {"$set": {"due_at": self.bench.mongo.now()}},
        )
        return await super().ended()


async def test_a_delivery_whose_secret_does_not_open_ends_dead_and_the_others_arrive(site: Bench) -> None:
    scenario = TwoWebhooksOneUnreadable(site)
    await scenario.begin()
    await until(scenario.ended, 30, site.explain)
    by_webhook = {document["webhook_id"]: document for document in await scenario.documents()}
    unreadable, other = (by_webhook[webhook_id] for webhook_id in scenario.webhook_ids)
    assert (unreadable["status"], unreadable["reason"]) == ("dead", "internal")
    assert (unreadable["faults"], unreadable["attempts"]) == (6, [])
    assert other["status"] == "succeeded"
    assert scenario.requests[other["_id"]] == 1
    assert scenario.requests[unreadable["_id"]] == 0
    scenario.check_letters()
