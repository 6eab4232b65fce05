"""Batching is real, counted where it ends: in commands that mongod ran and messages that RabbitMQ holds."""

import asyncio
import json
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import aio_pika
from motor.motor_asyncio import AsyncIOMotorClient

from deploy.local.servers import Server
from tests.cluster import SESSION, TENANT, Cluster, cluster, receiver, until
from tests.servers import PrivateServers

EVENTS = 1_000
MOST_WRITES = MOST_PUBLISHES = 40
WRITES = ("insert", "update", "findAndModify", "delete")


class Database:
    """The private server, looked at by a client of the test's own."""

    def __init__(self, services: Cluster) -> None:
        self._client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(services.mongodb_url)
        self._db = self._client[services.settings["MONGODB_DATABASE"]]

    def close(self) -> None:
        self._client.close()

    async def writes(self) -> int:
        """Write commands that the server ran since it started."""
        status = await self._client.admin.command("serverStatus")
        return sum(int(status["metrics"]["commands"][name]["total"]) for name in WRITES)

    async def all_marked(self) -> bool:
        """Marks are written last, just before the messages are acked."""
        return bool(await self._db.events.count_documents({}) == EVENTS)

    async def statuses(self) -> list[str]:
        found: list[str] = await self._db.deliveries.distinct("status")
        return found


async def queue_events(services: Cluster) -> None:
    async with services.channel() as channel:
        exchange = await channel.get_exchange("events")

        async def send(number: int) -> None:
            event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION, "event_id": f"e{number}"}
            await exchange.publish(aio_pika.Message(json.dumps(event).encode()), routing_key="session.created")

        await asyncio.gather(*map(send, range(EVENTS)))


async def test_a_thousand_queued_deliveries_cost_few_writes_and_few_publishes(
    tmp_path: Path, private_servers: PrivateServers
) -> None:
    servers = private_servers.both()
    # A marker is a message of its own and its arrival a write: none is due while this counts.
    quiet = {"MARKER_SECONDS": "3600"}
    async with (
        AsyncExitStack() as stack,
        cluster(tmp_path, servers.rabbitmq.url, servers.mongodb.url, "api", **quiet) as services,
        receiver() as endpoint,
    ):
        database = stack.enter_context(closing(Database(services)))
        await services.create_webhook(endpoint.url)
        await queue_events(services)
        await until(lambda: at_depth(services, "fanout", EVENTS), 10)
        before = await database.writes()

        services.add("fanout")
        await until(database.all_marked, 60, services.logs)
        services.of("fanout")[0].stop()
        assert await services.depth("fanout") == 0
        published = await services.depth("deliveries")
        fanned_out = await database.writes()

        services.add("delivery")
        await until(lambda: len(endpoint.requests) >= EVENTS, 60, services.logs)
        # Stopping records and acks what is still in hand, so that all of its writes are counted.
        services.of("delivery")[0].stop()
        assert await services.depth("deliveries") == 0
        delivered = await database.writes()

        statuses = await database.statuses()
    assert statuses == ["succeeded"]
    assert len({json.loads(request.body)["delivery_id"] for request in endpoint.requests}) == EVENTS
    print(f"{published} publishes, {fanned_out - before} + {delivered - fanned_out} writes")
    assert published <= MOST_PUBLISHES
    assert delivered - before <= MOST_WRITES


async def at_depth(services: Cluster, queue: str, messages: int) -> bool:
    return await services.depth(queue) == messages


async def test_a_lone_event_waits_on_no_timer(tmp_path: Path, rabbitmq: Server, mongodb: Server) -> None:
    patient = {"DETACH_SECONDS": "60", "SCHEDULER_POLL_SECONDS": "60", "MARKER_SECONDS": "3600"}
    async with cluster(tmp_path, rabbitmq.url, mongodb.url, **patient) as services, receiver() as endpoint:
        webhook = await services.create_webhook(endpoint.url)
        event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
        async with services.http.post(services.ingest + "/api/v1/events", json=event) as response:
            assert response.status == 202
        await until(lambda: len(endpoint.requests) == 1, 20, services.logs)

        async def recorded() -> bool:
            return [delivery["status"] for delivery in await services.deliveries(webhook["id"])] == ["succeeded"]

        await until(recorded, 20, services.logs)
