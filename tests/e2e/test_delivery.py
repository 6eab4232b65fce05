"""One event through all services, as processes of their own."""

import json
from pathlib import Path

import aio_pika

from deploy.local.servers import Server
from tests.cluster import SESSION, TENANT, cluster, receiver, until


async def test_an_event_reaches_its_endpoint_by_http_and_by_amqp(
    tmp_path: Path, rabbitmq: Server, mongodb: Server
) -> None:
    async with cluster(tmp_path, rabbitmq.url, mongodb.url) as services, receiver() as endpoint:
        await services.create_webhook(endpoint.url)
        event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
        traced = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=x"}
        async with services.http.post(services.ingest + "/api/v1/events", json=event, headers=traced) as response:
            assert response.status == 202, await response.text()
            event_id = (await response.json())["event_id"]
        async with services.channel() as channel:
            exchange = await channel.get_exchange("events")
            await exchange.publish(aio_pika.Message(json.dumps(event).encode()), routing_key="session.created")
            other = aio_pika.Message(json.dumps(event).encode(), headers=traced)
            await exchange.publish(other, routing_key="session.created")
        await until(lambda: len(endpoint.requests) == 3, 10, services.logs)
        assert event_id
        assert all(json.loads(request.body)["data"] == SESSION for request in endpoint.requests)
        told = sorted(request.headers.get("traceparent", "") for request in endpoint.requests)
        assert told == ["", traced["traceparent"], traced["traceparent"]]  # nobody is traced here: it passes through
        assert not any("tracestate" in request.headers for request in endpoint.requests)
