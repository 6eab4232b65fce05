"""`coalesce_seconds`: of a session's frequent updates only the newest is sent; what completes it never waits."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest_asyncio

from deploy.local.servers import Server
from tests.cluster import SESSION, TENANT, Cluster, Receiver, cluster, receiver, until

UPDATES = 100
OVER_SECONDS = 2
WINDOW_SECONDS = 1
NOISE_SECONDS = 0.5  # of a busy machine, between when a delivery is made and when it is inserted


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("coalescing")
    async with cluster(folder, rabbitmq.url, mongodb.url) as started:
        yield started


def event(event_type: str, number: int) -> dict[str, Any]:
    data = {**SESSION, "completion_status": "incomplete", "time_spent_seconds": number}
    return {"event": event_type, "tenant_id": TENANT, "data": data}


async def publish(services: Cluster, event_type: str, number: int = 1) -> None:
    async with services.http.post(services.ingest + "/api/v1/events", json=event(event_type, number)) as response:
        assert response.status == 202


def numbers(endpoint: Receiver) -> list[int]:
    return [json.loads(request.body)["data"]["time_spent_seconds"] for request in endpoint.requests]


async def documents(services: Cluster, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await services.db.deliveries.find({"webhook_id": webhook["id"]}).to_list(None)
    return found


async def test_a_hundred_updates_in_two_seconds_are_few_deliveries_and_the_newest_state_is_the_last(
    services: Cluster,
) -> None:
    async with receiver() as endpoint:
        webhook = await services.create_webhook(endpoint.url, "session.progress", coalesce_seconds=WINDOW_SECONDS)
        async with services.channel() as channel:
            exchange = await channel.get_exchange("events")
            for number in range(1, UPDATES + 1):
                body = json.dumps(event("session.progress", number)).encode()
                await exchange.publish(aio_pika.Message(body), routing_key="session.progress")
                await asyncio.sleep(OVER_SECONDS / UPDATES)  # the pace is the claim

        async def ended() -> bool:
            found = await documents(services, webhook)
            return len(found) == UPDATES and {one["status"] for one in found} == {"succeeded", "folded"}

        await until(ended, 30, services.logs)
        made = [one["created_at"] for one in await documents(services, webhook)]
        seconds = (max(made) - min(made)).total_seconds()
        sent = numbers(endpoint)
        print(f"{len(sent)} deliveries of {UPDATES} updates in {seconds:.1f} s")
        assert len(sent) <= (seconds + NOISE_SECONDS) // WINDOW_SECONDS + 1
        assert sent == sorted(sent)
        assert sent[-1] == UPDATES
        await _every_folded_one_leads_to_a_delivery(services, webhook)
        await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")


async def _every_folded_one_leads_to_a_delivery(services: Cluster, webhook: dict[str, Any]) -> None:
    """As the API tells it."""
    ended = {one["_id"]: one for one in await documents(services, webhook)}
    for one in await services.deliveries(webhook["id"], status="folded", limit="200"):
        assert (one["attempts"], one["waiting_for"], one["due_at"]) == ([], None, None)
        at = one["folded_into"]
        while ended[at]["status"] == "folded":
            at = ended[at]["folded_into"]
        assert ended[at]["status"] == "succeeded"


async def test_what_completes_a_session_goes_at_once_and_its_progress_when_nobody_wants_to_wait_any_more(
    services: Cluster,
) -> None:
    async with receiver() as endpoint:
        webhook = await services.create_webhook(endpoint.url, event_types=["session.*"], coalesce_seconds=3_600)
        await publish(services, "session.progress", 1)
        await publish(services, "session.progress", 2)
        await publish(services, "session.completed", 3)
        await until(lambda: numbers(endpoint) == [3], 10, services.logs)
        [waiting] = await services.deliveries(webhook["id"], status="waiting")
        assert waiting["waiting_for"] == "newer"
        async with services.http.patch(
            f"{services.api}/api/v1/webhooks/{webhook['id']}", json={"coalesce_seconds": None}
        ) as response:
            assert response.status == 200
        await until(lambda: numbers(endpoint) == [3, 2], 10, services.logs)
        await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")
