"""What `docs/operate.md` says of a restore: MongoDB as it was at a moment T, and a RabbitMQ that comes back empty."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aio_pika

from deploy.local.servers import Server
from tests.cluster import SESSION, TENANT, Cluster, Receiver, cluster, receiver, until

SERVICES = ("fanout", "delivery", "scheduler", "api")
SETTINGS = {"RETRY_BASE_SECONDS": "1", "ATTEMPT_TIMEOUT_SECONDS": "2", "LEASE_MARGIN_SECONDS": "1"}
RESTORED = "restored"


async def publish(services: Cluster, *event_ids: str) -> None:
    async with services.channel() as channel:
        exchange = await channel.get_exchange("events")
        for event_id in event_ids:
            event = {"event": "session.created", "tenant_id": TENANT, "event_id": event_id}
            body = json.dumps({**event, "data": {**SESSION, "session_id": event_id}}).encode()
            await exchange.publish(aio_pika.Message(body), routing_key="session.created")


def arrived(endpoint: Receiver) -> list[str]:
    """Which events, in order of their arrival."""
    return [json.loads(request.body)["data"]["session_id"] for request in endpoint.requests]


async def status_of(services: Cluster, event_id: str) -> str | None:
    document = await services.db.deliveries.find_one({"event_id": event_id})
    return document["status"] if document else None


def has(services: Cluster, event_id: str, status: str) -> Callable[[], Awaitable[bool]]:
    async def found() -> bool:
        return await status_of(services, event_id) == status

    return found


async def back_up(services: Cluster) -> None:
    """What a dump and its restore do: all documents, into another database."""
    for name in await services.db.list_collection_names():
        if documents := await services.db[name].find().to_list(None):
            await services.mongo[RESTORED][name].insert_many(documents)


async def key_answers(services: Cluster, key: str) -> int:
    async with services.http.get(services.api + "/api/v1/webhooks", headers={"X-API-Key": key}) as response:
        return response.status


async def test_a_restore_repeats_what_ended_since_and_forgets_what_came_since(
    rabbitmq: Server, mongodb: Server, tmp_path: Path
) -> None:
    well = False

    def answer(_: Any, received: Any) -> int:
        return 200 if well or b'"later"' not in received.body else 503

    async with receiver(answer) as endpoint:
        async with cluster(tmp_path, rabbitmq.url, mongodb.url, *SERVICES, **SETTINGS) as before:
            await before.create_webhook(endpoint.url)
            key = await before.key("read")
            await publish(before, "done", "later")
            await until(has(before, "done", "succeeded"), 30, before.logs)
            await until(has(before, "later", "waiting"), 30, before.logs)
            await back_up(before)
            well = True
            async with before.http.delete(f"{before.api}/api/v1/api-keys/{await key_id(before)}") as response:
                assert response.status == 204, await response.text()
            await publish(before, "since")
            await until(has(before, "later", "succeeded"), 30, before.logs)
            await until(has(before, "since", "succeeded"), 30, before.logs)
        endpoint.requests.clear()
        settings = {**SETTINGS, "MONGODB_DATABASE": RESTORED, "MARKER_SECONDS": "1"}
        async with cluster(tmp_path, rabbitmq.url, mongodb.url, *SERVICES, **settings) as after:
            await until(has(after, "later", "succeeded"), 60, after.logs)
            assert arrived(endpoint) == ["later"]
            assert await status_of(after, "since") is None
            assert await key_answers(after, key) == 200
            await publish(after, "done", "since")
            await until(has(after, "since", "succeeded"), 30, after.logs)
            assert arrived(endpoint) == ["later", "since"]
            await after.mongo.drop_database(RESTORED)


async def key_id(services: Cluster) -> str:
    document = await services.db.api_keys.find_one({})
    return str(document["id"])
