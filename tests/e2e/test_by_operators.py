"""What operators repair arrives: dead letters in a new round, parked messages as the events they should have been."""

import json
from pathlib import Path

import aio_pika

from deploy.local.servers import Server
from shared.broker.topology import PARKED
from tests.cluster import SESSION, TENANT, cluster, receiver, until
from tests.commands import ended, started


async def test_what_failed_arrives_once_it_is_repaired(tmp_path: Path, rabbitmq: Server, mongodb: Server) -> None:
    event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
    async with cluster(tmp_path, rabbitmq.url, mongodb.url) as services, receiver(lambda *_: 500) as endpoint:
        env = services.of("api")[0].env
        webhook = await services.create_webhook(endpoint.url, max_attempts=1)
        async with services.channel() as channel:
            exchange = await channel.get_exchange("events")
            for body in (event, {**event, "tenant_id": None}):
                message = aio_pika.Message(json.dumps(body).encode())
                await exchange.publish(message, routing_key="session.created")

        async def failed() -> bool:
            dead = await services.deliveries(webhook["id"], status="dead")
            return bool(dead) and await services.depth(PARKED) == 1

        await until(failed, 20, services.logs)
        endpoint.answer = lambda *_: 200
        retried = await ended(await started(env, "dead-letters", "retry", "--webhook", webhook["id"]))
        assert (retried.code, retried.out.splitlines()[1]) == (0, "1 retried, 0 left"), retried
        await until(lambda: len(endpoint.requests) == 2, 20, services.logs)
        assert endpoint.requests[1].headers["X-Allure-Round"] == "2"

        listed = (await ended(await started(env, "parked", "list", "--json"))).json
        repaired = tmp_path / "repaired.json"
        repaired.write_text(json.dumps(event))
        (parked,) = listed["parked"]
        assert parked["reason"].startswith("tenant_id: ")
        sent = await ended(await started(env, "parked", "retry", parked["id"], "--body", str(repaired)))
        assert (sent.code, sent.out.splitlines()[1]) == (0, "1 retried, 0 left"), sent
        await until(lambda: len(endpoint.requests) == 3, 20, services.logs)
