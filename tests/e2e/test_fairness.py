"""A tenant's flood delays nobody else's fresh event: counted at the endpoint, not timed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.servers import Server
from tests.bench.receiver import Endpoint
from tests.cluster import SESSION, Cluster, cluster, until

WEBHOOKS, EVENTS = 250, 400
FLOOD = WEBHOOKS * EVENTS
MOST_AHEAD = FLOOD // 10
IDENTITY = 45  # bytes at the end of a body: its delivery_id


class Arrivals:
    """What came of the flood, and how much of it was there before its neighbour's only delivery."""

    def __init__(self) -> None:
        self.requests = 0
        self.flood: set[bytes] = set()
        self.ahead: int | None = None

    def note(self, body: bytes) -> None:
        if b'"tenant_id":"neighbour"' in body:
            assert self.ahead is None, "it came twice"
            self.ahead = len(self.flood)
        else:
            self.requests += 1
            self.flood.add(body[-IDENTITY:])


@asynccontextmanager
async def endpoint(arrivals: Arrivals) -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(lambda: Endpoint(arrivals.note), "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def subscribe(services: Cluster, url: str) -> None:
    for _ in range(0, WEBHOOKS, 10):
        await asyncio.gather(*(services.create_webhook(url, tenant_id="flood") for _ in range(10)))
    await services.create_webhook(url, tenant_id="neighbour")


async def publish(services: Cluster, tenant: str, count: int) -> None:
    """Returns when all of it is with the broker as deliveries: events are marked behind that."""
    events = [{"event": "session.created", "tenant_id": tenant, "data": SESSION} for _ in range(count)]
    async with services.http.post(services.ingest + "/api/v1/events", json=events) as response:
        assert response.status == 202

    async def marked() -> bool:
        return int(await services.db.events.count_documents({"tenant_id": tenant})) == count

    await until(marked, 240, services.logs, every=0.25)


@pytest.mark.timeout(600)
async def test_a_fresh_event_does_not_wait_for_another_tenant_s_hundred_thousand_deliveries(
    tmp_path: Path, rabbitmq: Server, mongodb: Server
) -> None:
    arrivals = Arrivals()
    names = ("ingest", "fanout", "scheduler", "api")
    # No marker arrives before all has: what takes longer than a lease here is slow, not lost.
    settings = {"MARKER_SECONDS": "3600", "LOG_LEVEL": "warning"}
    async with (
        cluster(tmp_path, rabbitmq.url, mongodb.url, *names, **settings) as services,
        endpoint(arrivals) as url,
    ):
        await subscribe(services, url)
        await publish(services, "flood", EVENTS)
        await publish(services, "neighbour", 1)
        for _ in range(2):
            services.add("delivery")
        await until(lambda: arrivals.ahead is not None, 240, services.logs)
        await until(lambda: len(arrivals.flood) == FLOOD, 240, services.logs)
    print(f"{arrivals.ahead} of {FLOOD} deliveries arrived before the neighbour's")
    assert arrivals.ahead is not None
    assert arrivals.ahead <= MOST_AHEAD
    assert arrivals.requests == FLOOD, "each once"
