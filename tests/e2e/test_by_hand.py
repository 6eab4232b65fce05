"""What customers do by hand, seen from the endpoint: send again, rotate the secret."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from deploy.local.servers import Server
from services.delivery.signing import allure_signature, standard_signature
from shared.contracts.event_types import EVENT_TYPES
from tests.cluster import SESSION, TENANT, Cluster, Received, Receiver, cluster, receiver, until

SECRET = "the-old-secret-of-the-customer"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("by_hand")
    async with cluster(folder, rabbitmq.url, mongodb.url) as started:
        yield started


async def post(services: Cluster, path: str) -> dict[str, Any]:
    async with services.http.post(services.api + path) as response:
        answer: dict[str, Any] = await response.json()
        assert response.status in (200, 202), answer
        return answer


async def publish(services: Cluster, endpoint: Receiver) -> Received:
    """The request that an event leads to."""
    before = len(endpoint.requests)
    event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
    async with services.http.post(services.ingest + "/api/v1/events", json=event) as response:
        assert response.status == 202
    await until(lambda: len(endpoint.requests) > before, 10, services.logs)
    return endpoint.requests[-1]


async def test_what_succeeded_is_sent_again_as_a_second_round_of_the_same_delivery(services: Cluster) -> None:
    async with receiver() as endpoint:
        webhook = await services.create_webhook(endpoint.url)
        first = await publish(services, endpoint)
        await until(lambda: _has_ended(services, webhook["id"], 1), 10, services.logs)
        await post(services, f"/api/v1/deliveries/{first.headers['X-Allure-Delivery']}/retry")
        await until(lambda: _has_ended(services, webhook["id"], 2), 10, services.logs)
        [_, second] = endpoint.requests
        assert "X-Allure-Round" not in first.headers
        assert (second.headers["X-Allure-Round"], second.headers["X-Allure-Attempt"]) == ("2", "2")
        assert second.body == first.body
        await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")


async def _has_ended(services: Cluster, webhook_id: str, round_: int) -> bool:
    return [(d["status"], d["round"]) for d in await services.deliveries(webhook_id)] == [("succeeded", round_)]


async def test_a_rotation_breaks_no_receiver_whichever_secret_it_knows(services: Cluster) -> None:
    async with receiver() as endpoint:
        webhook = await services.create_webhook(endpoint.url, secret=SECRET)
        path = f"/api/v1/webhooks/{webhook['id']}/rotate-secret"
        new = (await post(services, path))["secret"]
        during = await publish(services, endpoint)
        assert during.headers["X-Allure-Signature"] == allure_signature(SECRET, during.body)
        assert during.headers["webhook-signature"].split() == [signed(during, SECRET), signed(during, new)]
        await post(services, path + "/complete")
        after = await publish(services, endpoint)
        assert after.headers["X-Allure-Signature"] == allure_signature(new, after.body)
        assert after.headers["webhook-signature"] == signed(after, new)


async def test_own_headers_arrive_beside_ours(services: Cluster) -> None:
    async with receiver() as endpoint:
        webhook = await services.create_webhook(endpoint.url, headers={"X-Team": "lms", "Authorization": "Bearer t0k"})
        assert sorted(webhook["header_names"]) == ["Authorization", "X-Team"]
        request = await publish(services, endpoint)
        assert (request.headers["X-Team"], request.headers["Authorization"]) == ("lms", "Bearer t0k")
        assert request.headers["Content-Type"] == "application/json"
        assert "t0k" not in str(await services.db.webhooks.find({}).to_list(None)) + services.logs(1_000_000)
        await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")


async def test_a_sample_event_arrives_like_any_other_at_this_webhook_only(services: Cluster) -> None:
    async with receiver() as endpoint:
        webhook = await services.create_webhook(endpoint.url + "/this", event_types=["package.*"])
        other = await services.create_webhook(endpoint.url + "/other", event_types=["package.*"])
        sent = await post(services, f"/api/v1/webhooks/{webhook['id']}/test")
        await until(lambda: _has_ended(services, webhook["id"], 1), 10, services.logs)
        [request] = endpoint.requests
        body = json.loads(request.body)
        assert (request.path, body["delivery_id"]) == ("/this", sent["delivery_id"])
        assert body["event"] == "package.processing.completed"
        assert body["data"] == EVENT_TYPES[body["event"]].example
        for made in (webhook, other):
            await services.http.delete(f"{services.api}/api/v1/webhooks/{made['id']}")


def signed(request: Received, secret: str) -> str:
    headers = request.headers
    return standard_signature(secret, headers["webhook-id"], int(headers["webhook-timestamp"]), request.body)
