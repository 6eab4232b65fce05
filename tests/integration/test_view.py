"""The view of webhooks in memory: a change is in force soon, and a stream that broke leaves nothing behind."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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

IN_FORCE_SECONDS = 1 + 1  # the promise, and a second for a busy machine


class Watched:
    """A view, and what it reads from, counted."""

    def __init__(self, mongo: Mongo) -> None:
        self.mongo = mongo
        self.webhooks = Webhooks(mongo, SecretBox(SECRET_KEYS))
        self.reads = 0
        read = self.webhooks.of_tenant

        async def counted(tenant_id: str, *, limit: int = 0) -> Any:
            self.reads += 1
            return await read(tenant_id, limit=limit)

        self.webhooks.of_tenant = counted  # type: ignore[method-assign]
        self.view = WebhookView(mongo, self.webhooks, tenants=2)

    async def ids(self, tenant_id: str = "t") -> set[str]:
        return set((await self.view.tenant(tenant_id)).by_id)

    async def sees(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        async def seen() -> bool:
            return condition((await self.view.tenant("t")).by_id)

        await until(seen, IN_FORCE_SECONDS, every=0.02)

    async def holds(self) -> None:
        """The stream is open: what was read once is not read again."""

        async def kept() -> bool:
            await self.view.tenant("probe")
            before = self.reads
            await self.view.tenant("probe")
            return self.reads == before

        await until(kept, 20)


@asynccontextmanager
async def watching(mongo: Mongo) -> AsyncIterator[Watched]:
    made = Watched(mongo)
    await made.view.start()
    try:
        await made.holds()
        yield made
    finally:
        await made.view.stop(0)


@pytest_asyncio.fixture(loop_scope="session")
async def watched(mongodb: Server) -> AsyncIterator[Watched]:
    async with opened(mongodb.url) as mongo, watching(mongo) as made:
        yield made


async def test_a_webhook_made_changed_and_deleted_is_so_in_the_view_within_a_second(watched: Watched) -> None:
    assert await watched.ids() == set()
    await watched.webhooks.insert(webhook(watched.mongo))
    await watched.sees(lambda found: set(found) == {"webhook_1"})
    await watched.webhooks.change("webhook_1", "t", {"paused": True}, watched.mongo.now())
    await watched.sees(lambda found: found["webhook_1"].paused)
    await watched.webhooks.delete("webhook_1", "t")
    await watched.sees(lambda found: not found)


async def test_a_change_of_one_tenant_costs_no_other_a_read(watched: Watched) -> None:
    await watched.ids("other")
    await watched.webhooks.insert(webhook(watched.mongo))
    await watched.sees(lambda found: set(found) == {"webhook_1"})
    before = watched.reads
    await watched.ids("other")
    assert watched.reads == before


async def test_only_so_many_tenants_are_held(watched: Watched) -> None:
    for tenant_id in ("a", "b", "c"):
        await watched.ids(tenant_id)
    before = watched.reads
    await watched.ids("c")
    await watched.ids("b")
    assert watched.reads == before
    await watched.ids("a")
    assert watched.reads == before + 1


async def test_while_the_database_is_away_the_view_says_nothing_and_afterwards_the_truth(
    private_servers: PrivateServers,
) -> None:
    server = private_servers.mongodb()
    async with opened(server.url, timeout_seconds=2) as mongo, watching(mongo) as watched:
        await watched.webhooks.insert(webhook(mongo))
        await watched.sees(lambda found: set(found) == {"webhook_1"})
        server.kill()

        async def emptied() -> bool:
            try:
                await watched.view.tenant("t")
            except DependencyUnavailable:
                return True
            return False

        await until(emptied, 20)
        with pytest.raises(DependencyUnavailable):
            await watched.view.tenant("t")
        server.restart()
        await watched.holds()
        assert await watched.ids() == {"webhook_1"}
        await watched.webhooks.delete("webhook_1", "t")
        await watched.sees(lambda found: not found)
