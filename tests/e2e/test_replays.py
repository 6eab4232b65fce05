"""A replay goes on where a killed scheduler left it, leaves nothing out, and stops when it is told to."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from deploy.local.servers import Server
from shared.contracts.event import AcceptedEvent
from shared.contracts.message import QueuedDelivery
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.mongo import Mongo
from shared.times import iso
from tests.cluster import TENANT, Cluster, Received, Receiver, cluster, receiver, until

SETTINGS = {
    "ATTEMPT_TIMEOUT_SECONDS": "2",
    "LEASE_MARGIN_SECONDS": "2",
    "MARKER_SECONDS": "1",
    "LOG_LEVEL": "warning",
}
MANY = 20_000
WEEK = timedelta(days=7)


class Endpoint:
    """Counts requests by delivery, and by round."""

    def __init__(self, receiver: Receiver) -> None:
        self.url = receiver.url
        self.requests: Counter[str] = Counter()
        self.rounds: Counter[str] = Counter()
        self.last = 0.0
        receiver.answer = self._answer

    def _answer(self, _request: web.Request, received: Received) -> int:
        self.requests[received.headers["X-Allure-Delivery"]] += 1
        self.rounds[received.headers.get("X-Allure-Round", "1")] += 1
        self.last = time.monotonic()
        return 200


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("replays")
    async with cluster(
        folder, rabbitmq.url, mongodb.url, "delivery", "delivery", "scheduler", "api", **SETTINGS
    ) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def endpoint() -> AsyncIterator[Endpoint]:
    async with receiver() as made:
        yield Endpoint(made)


async def ended(services: Cluster, webhook_id: str, count: int, status: str, at: datetime) -> list[str]:
    """So many deliveries that ended like this an hour ago."""
    mongo = Mongo(url=services.mongodb_url, database=services.settings["MONGODB_DATABASE"], timeout_seconds=10)
    events, deliveries = Events(mongo, retention=WEEK), Deliveries(mongo, retention=WEEK)
    ids = []
    for start in range(0, count, 2_000):
        made = [_event(f"{webhook_id}-{number}", at) for number in range(start, min(start + 2_000, count))]
        await events.mark(made)
        queued = [QueuedDelivery.first(event, webhook_id, at.timestamp()) for event in made]
        await deliveries.insert(queued, mongo.now())  # handed over just now: nobody thinks they are lost
        ids += [one.id for one in queued]
    await services.db.deliveries.update_many(
        {"webhook_id": webhook_id},
        {"$set": {"status": status, "ended_at": at, "expires_at": at + WEEK, "attempt_count": 3}},
    )
    await mongo.stop(0)
    return ids


def _event(event_id: str, at: datetime) -> AcceptedEvent:
    data = b'{"session_id":"s","package_id":"p","user_id":"u"}'
    return AcceptedEvent(TENANT, event_id, "session.created", iso(at), data)


async def post(services: Cluster, path: str, **body: Any) -> dict[str, Any]:
    async with services.http.post(services.api + path, json=body) as response:
        answer: dict[str, Any] = await response.json()
        assert response.status in (200, 202), answer
        return answer


async def replay_of(services: Cluster, replay_id: str) -> dict[str, Any]:
    async with services.http.get(f"{services.api}/api/v1/replays/{replay_id}") as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def count(services: Cluster, **query: Any) -> int:
    return int(await services.db.deliveries.count_documents(query))


@pytest.mark.timeout(180)
async def test_a_replay_whose_scheduler_is_killed_half_way_leaves_none_out_and_repeats_almost_none(
    services: Cluster, endpoint: Endpoint
) -> None:
    webhook = (await services.create_webhook(endpoint.url, max_attempts=5))["id"]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    wanted = await ended(services, webhook, MANY, "dead", hour_ago)
    window = {"since": iso(hour_ago - timedelta(minutes=1)), "per_second": 1_000}

    dry = await post(services, f"/api/v1/webhooks/{webhook}/replay", **window, dry_run=True)
    assert (dry["id"], dry["total"]) == (None, MANY)
    replay = await post(services, f"/api/v1/webhooks/{webhook}/replay", **window)
    assert (replay["status"], replay["total"], replay["sent"]) == ("running", MANY, 0)

    async def half_way() -> bool:
        return bool((await replay_of(services, replay["id"]))["sent"] >= MANY / 2)

    await until(half_way, 60, services.logs)
    [scheduler] = services.of("scheduler")
    scheduler.kill()
    assert (await replay_of(services, replay["id"]))["status"] == "running"
    scheduler.start()

    async def done() -> bool:
        return (await replay_of(services, replay["id"]))["status"] == "done"

    await until(done, 90, services.logs)
    assert (await replay_of(services, replay["id"]))["sent"] == MANY

    async def all_succeeded() -> bool:
        return await count(services, webhook_id=webhook, status="succeeded", round=2) == MANY

    await until(all_succeeded, 60, services.logs)
    assert set(endpoint.requests) == set(wanted)
    repeated = sum(endpoint.requests.values()) - MANY
    assert repeated <= MANY / 100, f"{repeated} were sent twice"
    assert set(endpoint.rounds) == {"2"}


async def test_a_cancelled_replay_stops_within_two_seconds(services: Cluster, endpoint: Endpoint) -> None:
    webhook = (await services.create_webhook(endpoint.url))["id"]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    await ended(services, webhook, 2_000, "succeeded", hour_ago)
    window = {"since": iso(hour_ago - timedelta(minutes=1)), "per_second": 100}
    replay = await post(services, f"/api/v1/webhooks/{webhook}/replay", **window, which="all")
    await until(lambda: endpoint.requests.total() > 50, 30, services.logs)
    async with services.http.delete(f"{services.api}/api/v1/replays/{replay['id']}") as response:
        cancelled = await response.json()
    cancelled_at = time.monotonic()
    assert (response.status, cancelled["status"]) == (200, "cancelled")
    # Nobody says that nothing more will come: its absence for a while is the claim.
    await until(lambda: time.monotonic() - cancelled_at > 4, 10)
    assert endpoint.last - cancelled_at < 2
    assert endpoint.requests.total() < 2_000
    shown = await replay_of(services, replay["id"])
    assert (shown["status"], shown["total"]) == ("cancelled", 2_000)
    assert shown["sent"] == await count(services, webhook_id=webhook, replay=replay["id"])


async def test_what_failed_is_replayed_and_the_rest_is_left_alone(services: Cluster, endpoint: Endpoint) -> None:
    webhook = (await services.create_webhook(endpoint.url))["id"]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    ids = await ended(services, webhook, 10, "succeeded", hour_ago)
    await services.db.deliveries.update_many({"_id": {"$in": ids[:3]}}, {"$set": {"status": "dead"}})
    replay = await post(services, f"/api/v1/webhooks/{webhook}/replay", since=iso(hour_ago))
    await until(lambda: endpoint.requests.total() == 3, 20, services.logs)
    assert set(endpoint.requests) == set(ids[:3])

    async def done() -> bool:
        return (await replay_of(services, replay["id"]))["status"] == "done"

    await until(done, 10, services.logs)


async def test_an_erasure_leaves_nothing_of_the_tenant_and_all_of_the_others(
    services: Cluster, endpoint: Endpoint
) -> None:
    mine = (await services.create_webhook(endpoint.url))["id"]
    other = (await services.create_webhook(endpoint.url, tenant_id="another-tenant"))["id"]
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    await ended(services, mine, 2_500, "succeeded", hour_ago)
    await ended(services, other, 10, "succeeded", hour_ago)
    await services.db.deliveries.update_many({"webhook_id": other}, {"$set": {"tenant_id": "another-tenant"}})
    before = await count(services, tenant_id=TENANT)
    async with services.http.delete(f"{services.api}/api/v1/tenants/{TENANT}/data") as response:
        erasure = await response.json()
        assert response.status == 202, erasure

    async def done() -> bool:
        async with services.http.get(f"{services.api}/api/v1/erasures/{erasure['id']}") as response:
            answer = await response.json()
            return bool(answer["status"] == "done" and answer["deliveries"] == before)

    await until(done, 30, services.logs)
    assert await count(services, tenant_id=TENANT) == 0
    assert await services.db.events.count_documents({"tenant_id": TENANT}) == 0
    assert await count(services, webhook_id=other) == 10
