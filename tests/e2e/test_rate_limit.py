"""A webhook's `rate_limit` holds for all workers together, loses nothing and delays nobody else."""

import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest_asyncio

from deploy.local.servers import Server
from tests.cluster import SESSION, TENANT, Cluster, cluster, receiver, until

PER_SECOND = 10
EVENTS = 40
TOLERATED_SECONDS = 0.5  # early or late: see services/delivery/pacing.py
NOISE_SECONDS = 0.3  # of a busy machine


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("rate_limit")
    names = ("ingest", "fanout", "delivery", "delivery", "scheduler", "api")
    async with cluster(folder, rabbitmq.url, mongodb.url, *names) as started:
        yield started


async def publish(services: Cluster, count: int) -> None:
    events = [{"event": "session.created", "tenant_id": TENANT, "data": SESSION} for _ in range(count)]
    async with services.http.post(services.ingest + "/api/v1/events", json=events) as response:
        assert response.status == 202


async def test_two_workers_together_keep_a_webhook_s_rate_limit(services: Cluster) -> None:
    async with receiver() as limited, receiver() as free:
        webhook = await services.create_webhook(limited.url, rate_limit=PER_SECOND)
        other = await services.create_webhook(free.url)
        began = time.time()
        for _ in range(4):
            await publish(services, EVENTS // 4)
        await until(lambda: len(free.requests) == EVENTS, 10, services.logs)
        assert len(limited.requests) < EVENTS
        assert free.requests[-1].at - began < EVENTS / PER_SECOND / 2, "the others wait for nobody"
        await until(lambda: len(limited.requests) >= EVENTS, 30, services.logs)
        moments = sorted(request.at for request in limited.requests)
        assert len({request.headers["X-Allure-Delivery"] for request in limited.requests}) == EVENTS == len(moments)
        for first, last in _spans(moments):
            seconds = moments[last] - moments[first] + TOLERATED_SECONDS + NOISE_SECONDS
            assert last - first + 1 <= PER_SECOND * seconds + 1, "more than the limit"
        assert moments[-1] - began < EVENTS / PER_SECOND + 5, "slots are used"
        attempts = [delivery["attempt_count"] for delivery in await services.deliveries(webhook["id"])]
        assert attempts == [1] * EVENTS, "waiting for a slot costs no attempt"
        await _delete(services, webhook, other)


def _spans(moments: list[float]) -> list[tuple[int, int]]:
    return [(first, last) for first in range(len(moments)) for last in range(first + 5, len(moments))]


async def test_a_limit_that_is_lifted_lets_what_waits_go(services: Cluster) -> None:
    async with receiver() as endpoint:
        webhook = await services.create_webhook(endpoint.url, rate_limit=0.05)
        await publish(services, 5)
        await until(lambda: len(endpoint.requests) == 1, 10, services.logs)

        async def waiting() -> bool:
            found = await services.deliveries(webhook["id"], status="waiting")
            return [one["waiting_for"] for one in found] == ["rate_limit"] * 4

        await until(waiting, 10, services.logs)
        due = sorted(one["due_at"] for one in await services.deliveries(webhook["id"], status="waiting"))
        assert all(earlier < later for earlier, later in pairwise(due)), "each has a slot of its own"
        path = f"{services.api}/api/v1/webhooks/{webhook['id']}"
        async with services.http.patch(path, json={"rate_limit": None}) as response:
            assert response.status == 200
        await until(lambda: len(endpoint.requests) == 5, 10, services.logs)
        await _delete(services, webhook)


async def _delete(services: Cluster, *webhooks: dict[str, Any]) -> None:
    for webhook in webhooks:
        await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")
