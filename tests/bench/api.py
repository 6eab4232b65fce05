"""`make bench-api`: how long every request that only reads takes, with 200,000 deliveries of 1,000 webhooks."""

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from deploy.local.servers import Servers
from services.api import services as api
from shared import wiring
from shared.egress import Egress
from shared.routes import Route
from shared.store.keys import Keys
from shared.store.mongo import Mongo
from tests.bench.frame import FOLDER, LOGS, bench, progress_bar
from tests.bench.meters import CpuMeter, server_roles
from tests.bench.report import show_disturbance
from tests.cluster import SECRET_KEYS, Cluster, cluster
from tests.reads import Query, cursors, is_list, path, queries, read_routes
from tests.seed import Seeded, seed_cluster

AT_ONCE = 16
MAIN_LIST = "list_deliveries"
_CAPTION = "milliseconds until the whole answer is here; CPU milliseconds of the API and of MongoDB for each request"
_WARM_UP = 5
_LONGEST_SECONDS = 10  # then a row ends with what it has


@dataclass(frozen=True)
class Read:
    """A GET request, to each target in turn."""

    operation: str
    what: str
    targets: Sequence[str]
    at_once: int = 1


@dataclass(frozen=True)
class Timing:
    operation: str
    what: str
    at_once: int
    requests: int
    p50_ms: float
    p99_ms: float
    per_second: float
    cpu_ms: dict[str, float]  # for each request, by role
    others_percent: float  # of the machine, used by what does not belong to the bench


@dataclass
class Timings:
    machine: str
    found: list[Timing]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def show(self, console: Console) -> None:
        table = Table("GET", "with", title=self.machine, caption=_CAPTION, box=box.SIMPLE_HEAD)
        table.columns[0].no_wrap, table.columns[1].overflow = True, "fold"
        for heading in ("p50", "p99", "API", "MongoDB"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self.found:
            cpu = (f"{row.cpu_ms[role]:.1f}" if role in row.cpu_ms else "" for role in ("api", "mongod"))
            table.add_row(row.operation, row.what, f"{row.p50_ms:.1f}", f"{row.p99_ms:.1f}", *cpu)
        console.print(table)
        for row in self.found:
            if row.at_once > 1:
                console.print(f"{row.operation}, {row.at_once} at once: {row.per_second:,.0f} requests/s")
        show_disturbance(median(row.others_percent for row in self.found), console)


async def measure(servers: Servers, console: Console, requests: int) -> Timings:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    urls = (servers.rabbitmq.url, servers.mongodb.url)
    async with cluster(LOGS, *urls, "api", API_REQUESTS_PER_MINUTE="0") as services:
        with progress_bar(console) as progress:
            task = progress.add_task("filling the database", total=None)
            reads = await _filled(services)
            timings = []
            for number, read in enumerate(reads):
                progress.update(task, description=f"{read.operation} {read.what}", total=len(reads), completed=number)
                timings.append(await _timed(services, read, requests))
    return Timings(machine, timings)


async def _filled(services: Cluster) -> list[Read]:
    """Fills the database; answers what can be asked then."""
    seeded = await seed_cluster(services)
    os.environ["DISPATCHER_SECRET_KEYS"] = SECRET_KEYS  # the routes are made here too, to see which there are
    mongo = Mongo(url=services.mongodb_url, database="none", timeout_seconds=30)
    try:
        keys, lookout = Keys(mongo, admin_key=""), wiring.lookout("bench")
        table = api.routes(api.services(mongo, keys, egress=Egress(""), lookout=lookout, webhooks_per_tenant=1))
        return list(_reads(table, seeded))
    finally:
        await mongo.stop(0)


def _reads(table: Sequence[Route], seeded: Seeded) -> Iterator[Read]:
    """Of the busiest tenant. A list's first page with each filter, and one from its middle."""
    for route in read_routes(table):
        for query in queries(route, seeded.busy, seeded):
            yield Read(route.name, _words(query), _targets(route, query, seeded))
        if is_list(route):
            query = {"cursor": next(cursors(seeded))}
            yield Read(route.name, "from the middle", _targets(route, query, seeded))
        if route.name == MAIN_LIST:
            yield Read(route.name, f"{AT_ONCE} at once", _targets(route, {}, seeded), AT_ONCE)


def _words(query: Query) -> str:
    if len(query) > 1:
        return "all filters"
    return " ".join(f"{name}={value if len(value) < 20 else '…' + value[-5:]}" for name, value in query.items())


def _targets(route: Route, query: Query, seeded: Seeded) -> list[str]:
    """Lists are asked for again and again, single things each for another."""
    whose = {"tenant_id": seeded.busy.tenant_id} if "tenant_id" in route.query.model_fields else {}
    given = "&".join(f"{name}={value}" for name, value in {**whose, **query}.items())
    return [f"{path(route, seeded.busy, number)}?{given}" for number in range(1 if is_list(route) else 200)]


async def _timed(services: Cluster, read: Read, requests: int) -> Timing:
    [api] = services.of("api")
    for number in range(_WARM_UP):
        await _ask(services, read, -number)
    meter, numbers = CpuMeter({**server_roles(), api.pid: "api"}), iter(range(requests * read.at_once))
    ends = time.perf_counter() + _LONGEST_SECONDS
    took: list[float] = []

    async def one_after_another() -> None:
        for number in numbers:
            took.append(await _ask(services, read, number))
            if time.perf_counter() > ends:
                return

    await asyncio.gather(*(one_after_another() for _ in range(read.at_once)))
    usage = meter.usage()
    cpu_ms = {role: used / 1000 for role, used in usage.per(len(took)).items()}
    percentiles = quantiles(took, n=100, method="inclusive")
    return Timing(
        operation=read.operation,
        what=read.what,
        at_once=read.at_once,
        requests=len(took),
        p50_ms=percentiles[49] * 1000,
        p99_ms=percentiles[98] * 1000,
        per_second=len(took) / usage.seconds,
        cpu_ms=cpu_ms,
        others_percent=usage.percent_of_others(),
    )


async def _ask(services: Cluster, read: Read, number: int) -> float:
    """Seconds until the whole answer is here."""
    began = time.perf_counter()
    async with services.http.get(services.api + read.targets[number % len(read.targets)]) as response:
        body = await response.read()
        assert response.status == 200, (read.operation, read.what, body)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.api", description=__doc__)
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="so many of each; default 200")
    parser.add_argument("--json", type=Path, default=FOLDER / "api.json", metavar="FILE")
    options = parser.parse_args()
    return bench(lambda servers, console: measure(servers, console, options.requests), options.json)


if __name__ == "__main__":
    sys.exit(main())
