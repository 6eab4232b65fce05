"""Every part is killed under load, and both servers are paused: what was accepted arrives all the same.

Two fan-outs, three workers, two schedulers, one ingest, one api. At every fault at least a thousand accepted events
are undelivered: the endpoint answers slowly until then, so that the workers' hands are full, too.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deploy.local.servers import Server, Servers, Supplier
from shared.broker.topology import DEAD_DELIVERIES, PARKED
from tests.cluster import TENANT, Cluster, ServiceProcess, cluster, until
from tests.faults.figures import figures_equal_a_scan
from tests.faults.load import CountingEndpoint, Load, counting_endpoint
from tests.servers import private_servers_in

UNDELIVERED = 1_000
MOST_DUPLICATES = 200
HEALTHY_SECONDS = 30
PAUSE_SECONDS = 60
SLOW_ANSWER_SECONDS = 0.6  # shorter than the patience of a message
SETTINGS = {
    "ATTEMPT_TIMEOUT_SECONDS": "5",
    "LEASE_MARGIN_SECONDS": "5",
    "MARKER_SECONDS": "5",
    "RETRY_BASE_SECONDS": "1",
    "BREAKER_FAILURES": "1000000",  # first attempts at /failing fail: its deliveries would stand in line
    "LOG_LEVEL": "warning",
}
EVENT_TYPES = ("session.created", "session.progress", "package.processing.completed", "package.processing.failed")

Row = tuple[str, int, int, int, float, float]
_HEADS = ("case", "accepted", "undelivered at fault", "duplicates", "s to healthy", "s to all delivered")


@dataclass
class Site:
    """A whole installation with load on it."""

    servers: Servers
    cluster: Cluster
    endpoint: CountingEndpoint
    load: Load
    deliveries: Any  # the collection
    rows: list[Row] = field(default_factory=list)

    def undelivered(self) -> int:
        return len(self.load.accepted - self.endpoint.arrived)

    def explain(self) -> str:
        return f"{self.undelivered()} undelivered; {dict(self.load.failed)}\n{self.cluster.logs(1_000)}"

    async def live_documents(self) -> int:
        return int(await self.deliveries.count_documents({"status": {"$in": ["pending", "waiting"]}}))


@pytest.fixture(scope="module")
def servers(server_supplier: Supplier, servers_folder: Path) -> Iterator[Servers]:
    with private_servers_in(servers_folder, server_supplier) as private:
        yield private.both()


@pytest.fixture(scope="module")
async def site(servers: Servers, tmp_path_factory: pytest.TempPathFactory, report: list[str]) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("kills")
    names = ["ingest", *["fanout"] * 2, *["delivery"] * 3, *["scheduler"] * 2, "api"]
    async with (
        cluster(folder, servers.rabbitmq.url, servers.mongodb.url, *names, **SETTINGS) as services,
        counting_endpoint() as endpoint,
    ):
        webhooks = {}
        for event_type, path in zip(EVENT_TYPES, ("/a", "/b", "/c", "/failing"), strict=True):
            webhooks[event_type] = (await services.create_webhook(endpoint.url + path, event_type))["id"]
        load = Load(services.amqp_url, services.ingest, TENANT, webhooks)
        made = Site(servers, services, endpoint, load, services.db.deliveries)
        yield made
        report += _table(made.rows)


@asynccontextmanager
async def fault(site: Site, case: str) -> AsyncIterator[list[ServiceProcess]]:
    """Load before, during and after the body, which breaks something and starts it again (a list says which services).

    Then all that the design promises is asserted.
    """
    endpoint, load = site.endpoint, site.load
    before = endpoint.duplicates, len(load.accepted)
    others = {service.port: service.pid for service in site.cluster.services}
    restarted: list[ServiceProcess] = []
    endpoint.delay_seconds, load.group, load.pause_seconds = SLOW_ANSWER_SECONDS, 50, 0.01
    async with load.running():
        await until(lambda: site.undelivered() >= UNDELIVERED * 1.2, 60, site.explain)
        load.group, load.pause_seconds = 5, 0.1
        undelivered = site.undelivered()
        assert undelivered >= UNDELIVERED
        yield restarted
        broken = time.monotonic()
        endpoint.delay_seconds = 0
        await site.cluster.ready(HEALTHY_SECONDS)
        healthy = time.monotonic() - broken
    await until(lambda: site.undelivered() == 0, 90, site.explain)
    arrived = endpoint.last_arrival - broken
    await until(lambda: _is_zero(site.live_documents), 60, site.explain)
    await figures_equal_a_scan(site.cluster.db, within_seconds=30)
    duplicates, accepted = endpoint.duplicates - before[0], len(load.accepted) - before[1]
    site.rows.append((case, accepted, undelivered, duplicates, round(healthy, 1), round(arrived, 1)))
    assert duplicates <= MOST_DUPLICATES
    assert await site.cluster.depth(DEAD_DELIVERIES) == 0
    assert await site.cluster.depth(PARKED) == 0
    documents = await site.deliveries.count_documents({})
    assert documents == len(load.accepted), "each event has one webhook, so each has one document"
    survivors = [service for service in site.cluster.services if service not in restarted]
    assert all(service.alive() and service.pid == others[service.port] for service in survivors)


async def _is_zero(count: Callable[[], object]) -> bool:
    return await count() == 0  # type: ignore[misc]


@pytest.mark.parametrize("name", ["ingest", "fanout", "delivery", "scheduler", "api"])
async def test_a_killed_service_costs_no_event_and_few_duplicates(site: Site, name: str) -> None:
    async with fault(site, f"kill -9 {name}") as restarted:
        victim = await _busiest(site, name)
        victim.kill()
        restarted.append(victim)
        victim.start()


async def _busiest(site: Site, name: str) -> ServiceProcess:
    """Of two fan-outs one works and the other stands by."""
    services = site.cluster.of(name)
    if name != "fanout":
        return services[0]
    handled = [await _fanned_out(site, service) for service in services]
    assert min(handled) == 0 < max(handled)
    return services[handled.index(max(handled))]


async def _fanned_out(site: Site, service: ServiceProcess) -> float:
    async with site.cluster.http.get(service.url + "/metrics") as response:
        [line] = re.findall(r"^dispatcher_events_fanned_out_total (.*)$", await response.text(), re.MULTILINE)
        return float(line)


@pytest.mark.parametrize("name", ["rabbitmq", "mongodb"])
async def test_a_killed_server_costs_no_event_and_few_duplicates(site: Site, name: str) -> None:
    server: Server = getattr(site.servers, name)
    async with fault(site, f"kill -9 {name}"):
        server.kill()
        await asyncio.to_thread(server.restart)


@pytest.mark.parametrize("name", ["rabbitmq", "mongodb"])
async def test_a_server_that_hangs_for_a_minute_costs_no_event_and_few_duplicates(site: Site, name: str) -> None:
    server: Server = getattr(site.servers, name)
    async with fault(site, f"pause {name} {PAUSE_SECONDS} s"):
        server.pause()
        try:
            await asyncio.sleep(PAUSE_SECONDS)  # the length of the pause is the claim
        finally:
            server.resume()


def _table(rows: list[Row]) -> Iterator[str]:
    texts = [[str(cell) for cell in row] for row in (_HEADS, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    yield ""
    for name, *figures in texts:
        aligned = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        yield "  ".join([name.ljust(widths[0]), *aligned])
