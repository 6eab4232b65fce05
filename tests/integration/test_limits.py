"""Rate limits by key: the platform's headers on every answer, and 429 that says when to come back."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from deploy.local.servers import Server
from services.api.app import application
from shared.contracts.listing import Query
from shared.limiter import Limiter
from shared.routes import Ask, Reply, Route
from shared.store.keys import Keys
from tests.cluster import ADMIN_KEY, TENANT
from tests.integration.test_store import opened

LIMIT = 5


@dataclass
class Limited:
    client: TestClient[Any, Any]
    keys: Keys

    async def get(self, key: str, cost: int = 0) -> tuple[int, Any, Any]:
        headers = {"X-API-Key": key, "X-Cost": str(cost)}
        async with self.client.get("/api/v1/things", headers=headers) as response:
            return response.status, response.headers, await response.json()


async def _do(ask: Ask[Query, None]) -> Reply:
    await ask.count(int(ask.headers["X-Cost"]))
    return Reply({"done": True})


@pytest_asyncio.fixture(loop_scope="session")
async def limited(mongodb: Server) -> AsyncIterator[Limited]:
    route = Route(name="things", method="GET", path="/api/v1/things", scope="read", summary="", do=_do)
    async with opened(mongodb.url) as mongo:
        keys = Keys(mongo, admin_key=ADMIN_KEY)
        app: web.Application = application(keys, Limiter(per_minute=LIMIT), [route])
        async with TestClient(TestServer(app)) as client:
            yield Limited(client, keys)


async def test_what_is_over_the_limit_is_refused_with_the_time_to_come_back(limited: Limited) -> None:
    _, key = await limited.keys.create(TENANT, frozenset({"read"}))
    for left in range(LIMIT - 1, -1, -1):
        status, headers, _ = await limited.get(key)
        assert (status, headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == (200, "5", str(left))
    status, headers, answer = await limited.get(key)
    assert (status, answer["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    wait = int(headers["Retry-After"])
    assert 1 <= wait <= 60
    assert answer["details"]["retry_after_seconds"] == wait
    assert abs(int(headers["X-RateLimit-Reset"]) - time.time() - wait) <= 2
    assert headers["X-RateLimit-Remaining"] == "0"


async def test_keys_do_not_share_a_limit_and_the_operator_has_none(limited: Limited) -> None:
    _, first = await limited.keys.create(TENANT, frozenset({"read"}))
    _, second = await limited.keys.create(TENANT, frozenset({"read"}))
    statuses = [(await limited.get(first))[0] for _ in range(LIMIT + 1)]
    assert statuses == [200] * LIMIT + [429]
    assert (await limited.get(second))[0] == 200
    for _ in range(LIMIT + 3):
        status, headers, _ = await limited.get(ADMIN_KEY)
        assert status == 200
        assert "X-RateLimit-Limit" not in headers


async def test_what_costs_more_counts_more(limited: Limited) -> None:
    _, key = await limited.keys.create(TENANT, frozenset({"read"}))
    status, headers, _ = await limited.get(key, cost=3)
    assert (status, headers["X-RateLimit-Remaining"]) == (200, "1")
    assert (await limited.get(key, cost=3))[0] == 429


async def test_a_refused_scope_counts_as_well(limited: Limited) -> None:
    _, key = await limited.keys.create(TENANT, frozenset({"write"}))
    for left in range(LIMIT - 1, -1, -1):
        status, headers, _ = await limited.get(key)
        assert (status, headers["X-RateLimit-Remaining"]) == (403, str(left))
    assert (await limited.get(key))[0] == 429


@pytest.mark.parametrize("per_minute", [0])
async def test_no_limit_is_no_limit(mongodb: Server, per_minute: int) -> None:
    route = Route(name="things", method="GET", path="/api/v1/things", scope="read", summary="", do=_do)
    async with opened(mongodb.url) as mongo:
        keys = Keys(mongo, admin_key="")
        _, key = await keys.create(TENANT, frozenset({"read"}))
        async with TestClient(TestServer(application(keys, Limiter(per_minute=per_minute), [route]))) as client:
            assert [(await Limited(client, keys).get(key))[0] for _ in range(10)] == [200] * 10
