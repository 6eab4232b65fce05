"""What becomes of deliveries whose endpoints do not simply answer 200."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import aio_pika
import pytest_asyncio
from aiohttp import web

from deploy.local.servers import Server
from tests.cluster import SESSION, TENANT, Cluster, Received, cluster, receiver, until

BASE_SECONDS = 0.5


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("outcomes")
    settings = {"RETRY_BASE_SECONDS": str(BASE_SECONDS), "RETRY_FACTOR": "2", "ATTEMPT_TIMEOUT_SECONDS": "3"}
    async with cluster(folder, rabbitmq.url, mongodb.url, **settings) as started:
        yield started


async def publish(services: Cluster, **fields: Any) -> str:
    event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION, **fields}
    async with services.http.post(services.ingest + "/api/v1/events", json=event) as response:
        assert response.status == 202, await response.text()
        return str((await response.json())["event_id"])


async def only_delivery(services: Cluster, webhook_id: str) -> dict[str, Any]:
    found = await services.deliveries(webhook_id)
    assert len(found) == 1, found
    return found[0]


async def ended(services: Cluster, webhook_id: str, status: str) -> dict[str, Any]:
    async def has_ended() -> bool:
        return any(delivery["status"] == status for delivery in await services.deliveries(webhook_id))

    await until(has_ended, 20, services.logs)
    return await only_delivery(services, webhook_id)


async def test_three_failures_then_success_is_one_delivery_of_four_attempts(services: Cluster) -> None:
    async with receiver() as endpoint:
        endpoint.answer = lambda _request, _received: 200 if len(endpoint.requests) == 4 else 500
        webhook = await services.create_webhook(endpoint.url)
        await publish(services)
        delivery = await ended(services, webhook["id"], "succeeded")
        assert [attempt["n"] for attempt in delivery["attempts"]] == [1, 2, 3, 4]
        assert [attempt["status_code"] for attempt in delivery["attempts"]] == [500, 500, 500, 200]
        assert {json.loads(request.body)["delivery_id"] for request in endpoint.requests} == {delivery["id"]}
        assert [request.headers["X-Allure-Attempt"] for request in endpoint.requests] == ["1", "2", "3", "4"]
        assert len({request.body for request in endpoint.requests}) == 1
        # From the history: when a busy machine's receiver noticed says nothing of when it was sent.
        starts = [datetime.fromisoformat(attempt["at"]).timestamp() for attempt in delivery["attempts"]]
        lengths = [attempt["duration_ms"] / 1000 for attempt in delivery["attempts"]]
        gaps = [later - sooner - length for sooner, later, length in zip(starts, starts[1:], lengths, strict=False)]
        for gap, planned in zip(gaps, (0.5, 1, 2), strict=True):
            assert 0.8 * planned - 0.01 <= gap <= 1.2 * planned + 1.5  # the rest is for a busy machine
        await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")


async def test_an_endpoint_that_always_fails_ends_dead_with_its_history_and_a_dead_letter(services: Cluster) -> None:
    async with receiver(lambda _request, _received: web.Response(status=503, text="no room")) as endpoint:
        webhook = await services.create_webhook(endpoint.url, max_attempts=3)
        event_id = await publish(services)
        delivery = await ended(services, webhook["id"], "dead")
        assert delivery["reason"] == "attempts_exhausted"
        assert [attempt["error"] for attempt in delivery["attempts"]] == ["http_status"] * 3
        assert delivery["attempts"][0]["answer"] == "no room"
        async with services.channel() as channel:
            queue = await channel.get_queue("dead-letters.deliveries")
            message = await queue.get(timeout=5)
            await message.ack()
        letter = json.loads(message.body)
        assert letter["v"] == 1
        assert letter["delivery"]["id"] == delivery["id"]
        assert letter["delivery"]["event_id"] == event_id
        assert letter["delivery"]["reason"] == "attempts_exhausted"
        assert len(letter["delivery"]["attempts"]) == 3
        await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")


async def test_410_stops_at_once_sets_the_webhook_inactive_and_the_others_hear_of_it(services: Cluster) -> None:
    async with receiver(lambda _request, _received: 410) as endpoint, receiver() as listener:
        await services.create_webhook(listener.url, "webhook.disabled")
        webhook = await services.create_webhook(endpoint.url)
        await publish(services)
        delivery = await ended(services, webhook["id"], "dead")
        await until(lambda: listener.requests, 10, services.logs)
        assert json.loads(listener.requests[0].body)["data"] == {"webhook_id": webhook["id"], "reason": "gone"}
        assert (delivery["reason"], delivery["attempt_count"]) == ("gone", 1)
        async with services.http.get(f"{services.api}/api/v1/webhooks/{webhook['id']}") as response:
            answer = await response.json()
        assert (answer["is_active"], answer["disabled_reason"]) == (False, "gone")
        async with services.channel() as channel:
            await (await channel.get_queue("dead-letters.deliveries")).purge()


async def test_a_hanging_endpoint_is_let_go_then_times_out_and_others_are_not_held_up(services: Cluster) -> None:
    async def hang(_request: web.Request, _received: Received) -> int:
        await asyncio.sleep(30)
        return 200

    async with receiver(hang) as slow, receiver() as quick:
        first = await services.create_webhook(slow.url)
        second = await services.create_webhook(quick.url)
        await publish(services)
        await ended(services, second["id"], "succeeded")

        async def let_go() -> bool:
            delivery = await only_delivery(services, first["id"])
            return (delivery["status"], delivery["waiting_for"]) == ("waiting", "answer")

        await until(let_go, 10, services.logs)

        async def timed_out() -> bool:
            delivery = await only_delivery(services, first["id"])
            return bool(delivery["attempts"]) and delivery["attempts"][0]["error"] == "timeout"

        await until(timed_out, 10, services.logs)
        for webhook in (first, second):
            await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")


async def test_a_paused_webhook_waits_and_resumes_and_a_deleted_one_cancels(services: Cluster) -> None:
    async with receiver() as endpoint:
        webhook = await services.create_webhook(endpoint.url)
        address = f"{services.api}/api/customer/webhooks/{webhook['id']}"
        async with services.http.patch(address, json={"paused": True}) as response:
            assert (await response.json())["paused"] is True
        await asyncio.sleep(1)  # a change is in force within a second
        await publish(services)

        async def waits() -> bool:
            found = await services.deliveries(webhook["id"])
            return [delivery["waiting_for"] for delivery in found] == ["resume"]

        await until(waits, 10, services.logs)
        assert not endpoint.requests
        async with services.http.patch(address, json={"paused": False}) as response:
            assert response.status == 200
        await ended(services, webhook["id"], "succeeded")
        await services.http.delete(address)


async def test_the_same_event_twice_is_one_delivery_and_tenants_do_not_collide(services: Cluster) -> None:
    async with receiver() as mine, receiver() as theirs:
        first = await services.create_webhook(mine.url)
        second = await services.create_webhook(theirs.url, tenant_id="tenant-b")
        event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION, "event_id": "twice"}
        async with services.channel() as channel:
            exchange = await channel.get_exchange("events")
            message = json.dumps(event).encode()
            await asyncio.gather(
                publish(services, event_id="twice"),
                publish(services, event_id="twice"),
                *(exchange.publish(aio_pika.Message(message), routing_key="session.created") for _ in range(3)),
            )
            await ended(services, first["id"], "succeeded")
            await exchange.publish(aio_pika.Message(message), routing_key="session.created")
        await publish(services, event_id="twice", tenant_id="tenant-b")
        await ended(services, second["id"], "succeeded")
        await publish(services, event_id="after-all")
        await until(lambda: len(mine.requests) >= 2, 10)
        ids = [delivery["event_id"] for delivery in await services.deliveries(first["id"])]
        assert sorted(ids) == ["after-all", "twice"]
        assert len(mine.requests) == 2
        assert len(theirs.requests) == 1
        for webhook in (first, second):
            await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")


async def test_rubbish_is_parked_with_its_reason_and_what_is_around_it_arrives(services: Cluster) -> None:
    good = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
    exact = b'{"session_id":"s", "package_id":"p","user_id":"u","n":18446744073709551616,"x":1.10}'
    odd = b'{"event":"session.created","tenant_id":"%b","event_id":"odd","data":%b}' % (TENANT.encode(), exact)
    rubbish = {
        b"not json": "not JSON",
        b"[1]": "its first element is no object",
        json.dumps({**good, "event": "session.paused"}).encode(): "event: unknown event type",
        json.dumps({**good, "data": {"session_id": "s", "package_id": "p"}}).encode(): "data.user_id: Field required",
        json.dumps(good).encode().replace(b"user_1", b"\xff"): "invalid unicode",
        b" " * 1_000_000: "1000000 bytes",
    }
    async with receiver() as endpoint, services.channel() as channel:
        webhook = await services.create_webhook(endpoint.url)
        parked = await channel.get_queue("parked")
        await parked.purge()
        exchange = await channel.get_exchange("events")

        async def send(body: bytes) -> None:
            await exchange.publish(aio_pika.Message(body), routing_key="session.created")

        array = [{**good, "event_id": "in-array"}, {"event": "session.created"}, {**good, "event_id": "in-array-too"}]
        await send(json.dumps({**good, "event_id": "before"}).encode())
        await asyncio.gather(*map(send, rubbish), send(odd), send(json.dumps(array).encode()))
        await send(json.dumps({**good, "event_id": "after"}).encode())
        await until(lambda: len(endpoint.requests) == 5, 20, services.logs)
        reasons = []
        for _ in range(len(rubbish) + 1):
            message = await parked.get(timeout=5)
            reasons.append(str(message.headers["x-parked-reason"]))
            await message.ack()
        for words in (*rubbish.values(), "element 1: "):
            assert any(words in reason for reason in reasons), (words, reasons)
        assert any(exact in request.body for request in endpoint.requests)
        await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")
