"""The view of webhooks in memory: what the API answered is what the view says next, for one small read per batch."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.servers import Server
from shared.errors import DependencyUnavailable
from shared.store.mongo import Mongo
from shared.store.secrets import SecretBox
from shared.store.view import WebhookView
from shared.store.webhooks import Webhooks
from tests.cluster import SECRET_KEYS, until
from tests.integration.test_store import opened, webhook
from tests.servers import PrivateServers


class Watched:
    """A view, and what it reads from, counted."""

    def __init__(self, mongo: Mongo) -> None:
        self.mongo = mongo
        self.webhooks = Webhooks(mongo, SecretBox(SECRET_KEYS))
        self.loaded: list[str] = []
        self.questions = 0
        load, ask = self.webhooks.of_tenant, self.webhooks.versions

        async def counted_load(tenant_id: str) -> Any:
            self.loaded.append(tenant_id)
            return await load(tenant_id)

        async def counted_ask(tenant_ids: Any) -> Any:
            self.questions += 1
            return await ask(tenant_ids)

        self.webhooks.of_tenant = counted_load  # type: ignore[method-assign]
        self.webhooks.versions = counted_ask  # type: ignore[method-assign]
        self.view = WebhookView(self.webhooks, tenants=2)

    async def seen(self, tenant_id: str = "t") -> dict[str, Any]:
        return (await self.view.current([tenant_id]))[tenant_id].by_id


@pytest_asyncio.fixture(loop_scope="session")
async def mongo(mongodb: Server) -> AsyncIterator[Mongo]:
    async with opened(mongodb.url) as mongo:
        yield mongo


async def test_every_change_is_in_the_view_at_once(mongo: Mongo) -> None:
    watched = Watched(mongo)
    assert await watched.seen() == {}
    await watched.webhooks.insert(webhook(mongo))
    assert set(await watched.seen()) == {"webhook_1"}
    await watched.webhooks.change("webhook_1", "t", {"paused": True})
    assert (await watched.seen())["webhook_1"].paused
    await watched.webhooks.deactivate("webhook_1", "gone")
    assert not (await watched.seen())["webhook_1"].is_active
    await watched.webhooks.delete("webhook_1", "t")
    assert await watched.seen() == {}


async def test_many_tenants_cost_one_question_and_only_what_changed_is_loaded(mongo: Mongo) -> None:
    watched = Watched(mongo)
    await watched.view.current(["t", "other"])
    await watched.webhooks.insert(webhook(mongo))
    watched.loaded.clear()
    watched.questions = 0
    found = await watched.view.current(["t", "other"])
    assert set(found["t"].by_id) == {"webhook_1"}
    assert (watched.loaded, watched.questions) == (["t"], 1)


async def test_only_so_many_tenants_are_held_and_all_are_answered(mongo: Mongo) -> None:
    watched = Watched(mongo)
    assert set(await watched.view.current(["a", "b", "c"])) == {"a", "b", "c"}
    watched.loaded.clear()
    await watched.view.current(["c", "b"])
    assert watched.loaded == []
    await watched.view.current(["a"])
    assert watched.loaded == ["a"]


async def test_an_answer_is_repeated_without_asking_only_while_it_is_fresh(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched, now = Watched(mongo), 1_000.0
    monkeypatch.setattr("shared.store.view.time.monotonic", lambda: now)
    await watched.seen()
    await watched.webhooks.insert(webhook(mongo))
    now += 0.49
    assert ((await watched.view.recent("t")).by_id, watched.questions) == ({}, 1)
    now += 0.02
    answers = await asyncio.gather(*(watched.view.recent("t") for _ in range(10)))
    assert [set(answer.by_id) for answer in answers] == [{"webhook_1"}] * 10
    assert watched.questions == 2


async def test_a_change_that_nobody_counted_is_seen_within_a_minute(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched, now = Watched(mongo), 1_000.0
    monkeypatch.setattr("shared.store.view.time.monotonic", lambda: now)
    await watched.webhooks.insert(webhook(mongo))
    await watched.seen()
    await mongo.db.webhooks.update_one({"_id": "webhook_1"}, {"$set": {"paused": True}})
    now += 59
    assert not (await watched.seen())["webhook_1"].paused
    now += 2
    assert (await watched.seen())["webhook_1"].paused


async def test_while_the_database_is_away_the_view_says_nothing_and_afterwards_the_truth(
    private_servers: PrivateServers,
) -> None:
    server = private_servers.mongodb()
    async with opened(server.url, timeout_seconds=2) as mongo:
        watched = Watched(mongo)
        await watched.webhooks.insert(webhook(mongo))
        assert set(await watched.seen()) == {"webhook_1"}
        server.kill()
        with pytest.raises(DependencyUnavailable):
            await watched.seen()
        server.restart()

        async def back() -> bool:
            try:
                return set(await watched.seen()) == {"webhook_1"}
            except DependencyUnavailable:
                return False

        await until(back, 20)
        await watched.webhooks.delete("webhook_1", "t")
        assert await watched.seen() == {}
