"""An endpoint that was down gets all that waited for it soon after it returns, and no more than it can bear."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import web

from deploy.local.servers import Server
from tests.cluster import SESSION, TENANT, Cluster, cluster, receiver, until

EVENTS = 5_000
DOWN_SECONDS = 60
RETURN_SECONDS = 60
AT_ONCE = 8  # to one endpoint, of each worker


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("recovery")
    names = ("ingest", "fanout", "delivery", "delivery", "scheduler", "api")
    async with cluster(folder, rabbitmq.url, mongodb.url, *names, IN_FLIGHT_PER_ENDPOINT=str(AT_ONCE)) as started:
        yield started


class Fragile:
    """Answers 503 while it is down, and knows how many requests it ever had at once."""

    def __init__(self) -> None:
        self.down = True
        self.at_once = self.most_at_once = 0
        self.refused = 0
        self.arrived: Counter[str] = Counter()

    async def answer(self, _request: Any, received: Any) -> int:
        if self.down:
            self.refused += 1
            return 503
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        self.arrived[received.headers["X-Allure-Delivery"]] += 1
        return 200


async def publish(services: Cluster, count: int) -> None:
    event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
    for _ in range(count // 500):
        async with services.http.post(services.ingest + "/api/v1/events", json=[event] * 500) as response:
            assert response.status == 202


async def webhook_now(services: Cluster, webhook_id: str) -> dict[str, Any]:
    async with services.http.get(f"{services.api}/api/v1/webhooks/{webhook_id}") as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def test_all_that_waited_for_an_endpoint_arrives_soon_after_it_returns(services: Cluster) -> None:
    fragile = Fragile()
    async with receiver(fragile.answer) as endpoint:
        webhook = await services.create_webhook(endpoint.url)
        began = time.monotonic()
        shown: dict[str, Any] = {}
        await publish(services, EVENTS)

        async def all_wait() -> bool:
            query = {"webhook_id": webhook["id"], "status": "waiting"}
            return bool(await services.db.deliveries.count_documents(query) == EVENTS)

        async def shown_open() -> bool:
            health = shown["last"] = (await webhook_now(services, webhook["id"]))["health"]
            return health["breaker"] != "closed" and health["failures"] >= 5 and "503" in health["last_error"]

        await until(all_wait, DOWN_SECONDS, services.logs)
        await until(shown_open, 10, lambda: f"{shown}\n{services.logs()}")
        await asyncio.sleep(max(0, began + DOWN_SECONDS - time.monotonic()))
        assert fragile.refused < EVENTS / 20, "an endpoint that is down is asked only now and then"
        fragile.down = False
        await until(lambda: len(fragile.arrived) == EVENTS, RETURN_SECONDS, services.logs)
        assert fragile.most_at_once <= 2 * AT_ONCE

        async def all_succeeded() -> bool:
            query = {"webhook_id": webhook["id"], "status": "succeeded"}
            return bool(await services.db.deliveries.count_documents(query) == EVENTS)

        await until(all_succeeded, 10, services.logs)
        assert max(fragile.arrived.values()) == 1, "nobody died, so nothing is sent twice"

        async def shown_closed() -> bool:
            health = (await webhook_now(services, webhook["id"]))["health"]
            return (health["breaker"], health["failures"], health["next_probe_at"]) == ("closed", 0, None)

        await until(shown_closed, 20, services.logs)


async def test_fresh_deliveries_stand_in_line_at_an_endpoint_in_trouble_without_a_worker_s_help(
    services: Cluster,
) -> None:
    fragile, published = Fragile(), 0
    async with receiver(fragile.answer) as endpoint:
        webhook = await services.create_webhook(endpoint.url)

        async def many_stand() -> bool:
            nonlocal published
            await publish(services, 500)
            published += 500
            return await _put_in_line(services) >= before + 500

        before = await _put_in_line(services)
        await until(many_stand, 30, services.logs, every=0.5)
        fragile.down = False
        await until(lambda: len(fragile.arrived) == published, RETURN_SECONDS, services.logs)
        assert max(fragile.arrived.values()) == 1
        found = await services.db.deliveries.distinct("status", {"webhook_id": webhook["id"]})
        assert set(found) <= {"succeeded", "pending"}, "those are just being written"


async def _put_in_line(services: Cluster) -> float:
    [fanout] = services.of("fanout")
    async with services.http.get(f"{fanout.url}/metrics") as response:
        lines = (await response.text()).splitlines()
    [count] = [line.split()[1] for line in lines if line.startswith("dispatcher_deliveries_in_line_total")]
    return float(count)


async def test_who_said_when_to_come_back_is_not_visited_earlier(services: Cluster) -> None:
    """Others of the same endpoint are brought forward meanwhile; this one is not."""
    said: list[str] = []

    def answer(request: Any, received: Any) -> Any:
        identity = received.headers["X-Allure-Delivery"]
        if not said:
            said.append(identity)
        return _come_back_later() if identity == said[0] else 200

    async with receiver(answer) as endpoint:
        webhook = await services.create_webhook(endpoint.url)
        await _one(services)
        await until(lambda: len(endpoint.requests) == 1, 10, services.logs)

        async def told() -> bool:
            found = await services.deliveries(webhook["id"])
            return [one["waiting_for"] for one in found] == ["retry_after"]

        await until(told, 10, services.logs)
        await _pretend_it_was_down(services, webhook)
        await _one(services)
        await until(lambda: len(endpoint.requests) == 2, 10, services.logs)
        await until(lambda: _recovered(services, webhook), 20, services.logs)
        assert [one["waiting_for"] for one in await services.deliveries(webhook["id"], status="waiting")] == [
            "retry_after"
        ]


def _come_back_later() -> Any:
    return web.Response(status=503, headers={"Retry-After": "3600"})


async def _one(services: Cluster) -> None:
    event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
    async with services.http.post(services.ingest + "/api/v1/events", json=event) as response:
        assert response.status == 202


async def _pretend_it_was_down(services: Cluster, webhook: dict[str, Any]) -> None:
    """As if deliveries stood in line: a recovery begins with the next success."""
    await services.db.webhook_health.update_one(
        {"_id": webhook["id"]},
        {"$set": {"deferred_until": datetime.now(UTC) + timedelta(hours=1), "tenant_id": TENANT}},
        upsert=True,
    )


async def _recovered(services: Cluster, webhook: dict[str, Any]) -> bool:
    job = await services.db.jobs.find_one({"_id": f"recovery_{webhook['id']}"})
    return bool(job and job["status"] == "done")
