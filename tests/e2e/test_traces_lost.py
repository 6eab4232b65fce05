"""A collector that takes nothing: what that costs."""

import asyncio
from pathlib import Path

from deploy.local.servers import Server
from tests.cluster import SESSION, TENANT, cluster, receiver, until
from tests.collector import traced

EVENT = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
TRACED = ("ingest", "fanout", "delivery")


async def test_a_collector_that_refuses_costs_one_line_and_neither_a_delivery_nor_a_clean_stop(
    tmp_path: Path, rabbitmq: Server, mongodb: Server
) -> None:
    async with (
        traced(status=400) as refusing,
        receiver() as endpoint,
        cluster(tmp_path, rabbitmq.url, mongodb.url, *TRACED, "api") as services,
    ):
        await services.create_webhook(endpoint.url)
        for number in range(1, 6):
            refused = len(refusing.requests)
            async with services.http.post(services.ingest + "/api/v1/events", json=EVENT) as response:
                assert response.status == 202
            await until(lambda: len(endpoint.requests) == number, 20, services.logs)  # noqa: B023 - in this turn
            await until(lambda: len(refusing.requests) > refused, 20, services.logs)  # noqa: B023 - in this turn
        # Not in this loop, which has to refuse what is sent until the end.
        assert [await asyncio.to_thread(service.stop) for service in services.services] == [0] * 4
        lines = {service.name: service.log.read_text().count("traces.trouble") for service in services.services}
        assert lines == {**dict.fromkeys(TRACED, 1), "api": 0}
