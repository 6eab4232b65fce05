"""Which webhooks are disabled because their endpoints fail, which are not, and who hears of it."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aio_pika
import pytest_asyncio

from deploy.local.servers import Server
from services.scheduler.failing import RULE, Failing
from shared.broker.connection import declare
from shared.broker.publisher import Publisher
from shared.broker.topology import EVENTS
from shared.contracts.event_types import WEBHOOK_DISABLED
from shared.contracts.health import News
from shared.disabling import Disabling
from shared.store.duties import Duties
from shared.store.health import WebhookHealths
from shared.store.mongo import Mongo
from shared.store.secrets import SecretBox
from shared.store.webhooks import Webhooks
from tests.cluster import SECRET_KEYS
from tests.integration.test_store import opened, webhook

DAY = timedelta(days=1)


class Desk:
    def __init__(self, mongo: Mongo, heard: Any, publisher: Publisher) -> None:
        self.mongo = mongo
        self.heard = heard
        self.healths = WebhookHealths(mongo)
        self.webhooks = Webhooks(mongo, SecretBox(SECRET_KEYS))
        disabling = Disabling(webhooks=self.webhooks, publisher=publisher, clock=mongo.now)
        self.failing = Failing(healths=self.healths, disabling=disabling, duties=Duties(mongo))

    async def endpoint(
        self, name: str, *, failures: int = 20, days: tuple[int, ...] = (7, 6, 1), success_days_ago: float | None = 8
    ) -> None:
        """`days`: on which it failed since its last success, counted back from today."""
        now = self.mongo.now()
        await self.webhooks.insert(webhook(self.mongo, name))
        success = now - timedelta(days=success_days_ago) if success_days_ago is not None else None
        on = {(now - timedelta(days=day)).date().isoformat() for day in days}
        last = now - timedelta(days=min(days)) if days else None
        news = News(name, "t", success_at=success, failure_at=last, error="answered 503", failures=failures, days=on)
        await self.healths.save([news], "worker", {}, [])

    async def well(self, *names: str) -> None:
        for name in names:
            await self.endpoint(name, failures=0, days=(), success_days_ago=0)

    async def inactive(self) -> dict[str, str | None]:
        await self.failing.run_once()
        return {one.id: one.disabled_reason for one in await self.webhooks.of_tenant("t") if not one.is_active}

    async def events(self) -> list[dict[str, Any]]:
        found = []
        while message := await self.heard.get(fail=False):
            await message.ack()
            found.append(json.loads(message.body))
        return found


@pytest_asyncio.fixture(loop_scope="session")
async def desk(mongodb: Server, rabbitmq: Server) -> AsyncIterator[Desk]:
    connection = await aio_pika.connect(rabbitmq.url)
    async with connection, opened(mongodb.url) as mongo:
        await declare(connection)
        channel = await connection.channel()
        heard = await channel.declare_queue(exclusive=True)
        await heard.bind(EVENTS, WEBHOOK_DISABLED)
        publisher = Publisher(url=rabbitmq.url, name="test", timeout_seconds=10)
        yield Desk(mongo, heard, publisher)
        await publisher.stop(0)


async def test_who_fails_for_days_without_a_success_is_disabled_and_the_tenant_hears_of_it(desk: Desk) -> None:
    await desk.endpoint("webhook_bad")
    await desk.well("webhook_a")
    assert await desk.inactive() == {"webhook_bad": "failing"}
    [event] = await desk.events()
    assert (event["event"], event["tenant_id"]) == ("webhook.disabled", "t")
    assert event["data"] == {"webhook_id": "webhook_bad", "reason": "failing"}
    disabled = await desk.webhooks.get("webhook_bad")
    assert disabled
    assert disabled.disabled_at is not None
    assert await desk.inactive() == {"webhook_bad": "failing"}
    assert await desk.events() == [], "once"


async def test_who_never_succeeded_counts_from_its_first_failure(desk: Desk) -> None:
    await desk.endpoint("webhook_old", success_days_ago=None)
    await desk.endpoint("webhook_new", success_days_ago=None, days=(3, 2, 1))
    await desk.well("webhook_a", "webhook_b")
    assert await desk.inactive() == {"webhook_old": "failing"}


async def test_few_failures_few_days_or_a_recent_success_disable_nobody(desk: Desk) -> None:
    await desk.endpoint("webhook_few", failures=RULE.failures - 1)
    await desk.endpoint("webhook_days", days=(6, 5))
    await desk.endpoint("webhook_recent", days=(4, 3, 2), success_days_ago=4.5)
    await desk.well("webhook_a", "webhook_b", "webhook_c", "webhook_d")
    assert await desk.inactive() == {}


async def test_nobody_is_disabled_while_most_of_the_others_fail(desk: Desk) -> None:
    for name in "abc":
        await desk.endpoint(f"webhook_{name}")
    await desk.well("webhook_d")
    assert await desk.inactive() == {}
    await desk.well("webhook_e", "webhook_f", "webhook_g")
    assert await desk.inactive() == {f"webhook_{name}": "failing" for name in "abc"}


async def test_the_only_endpoint_of_a_site_may_be_disabled(desk: Desk) -> None:
    await desk.endpoint("webhook_alone")
    assert await desk.inactive() == {"webhook_alone": "failing"}


async def test_a_success_in_between_begins_the_count_again(desk: Desk) -> None:
    await desk.endpoint("webhook_bad")
    await desk.healths.save([News("webhook_bad", "t", success_at=desk.mongo.now())], "worker", {}, [])
    one = News("webhook_bad", "t", failure_at=desk.mongo.now(), error="x", failures=1, days={"2026-01-01"})
    await desk.healths.save([one], "worker", {}, [])
    document = await desk.mongo.db.webhook_health.find_one({"_id": "webhook_bad"})
    assert (document["failures"], document["failed_on"]) == (1, ["2026-01-01"])
    await desk.well("webhook_a", "webhook_b")
    assert await desk.inactive() == {}
