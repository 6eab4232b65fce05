"""`make bench-pages`: how long each page of the dashboard takes, and how much it transfers, with 200,000 deliveries.

All of them, and 1,000 webhooks, are one tenant's; the operator looks at the same.
"""

import argparse
import os
import platform
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, get_args

from aiohttp import ClientSession
from rich import box
from rich.console import Console
from rich.table import Table

from deploy.local.servers import Servers
from tests.bench.frame import FOLDER, LOGS, bench, progress_bar
from tests.bench.meters import CpuMeter, server_roles
from tests.bench.report import show_disturbance
from tests.bench.visitor import size_of, text_of, visitor
from tests.browser.views import Who, possible
from tests.cluster import Cluster, cluster
from tests.seed import Owner, seed_cluster
from tests.seed.plan import ALL_OF_ONE

P95_MS, FIRST_KB, NEXT_KB = 100, 200, 20
_CAPTION = (
    "milliseconds until the whole page is here; KB of it, gzipped, with headers: of a first visit, "
    "which fetches style sheets and scripts, and of another; ! breaks a limit"
)
_DIFFERENT = 200  # of the same kind
_WARM_UP = 5
_LONGEST_SECONDS = 10  # then a row ends with what it has


@dataclass(frozen=True)
class Page:
    """Asked for at each address in turn."""

    name: str
    by: Who
    addresses: Sequence[str]


@dataclass(frozen=True)
class Measured:
    page: str
    by: Who
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    first_kb: float
    next_kb: float
    others_percent: float  # of the machine, used by what does not belong to the bench

    def cells(self) -> Iterator[str]:
        """An exclamation mark stands where a limit is broken."""
        yield from (self.page, self.by, f"{self.p50_ms:.1f}")
        yield f"{'! ' * (self.p95_ms > P95_MS)}{self.p95_ms:.1f}"
        yield f"{self.p99_ms:.1f}"
        yield f"{'! ' * (self.first_kb > FIRST_KB)}{self.first_kb:.1f}"
        yield f"{'! ' * (self.next_kb > NEXT_KB)}{self.next_kb:.1f}"

    @property
    def within(self) -> bool:
        return self.p95_ms <= P95_MS and self.first_kb <= FIRST_KB and self.next_kb <= NEXT_KB


@dataclass
class Findings:
    machine: str
    found: list[Measured]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def show(self, console: Console) -> None:
        table = Table("GET /dashboard…", "by", title=self.machine, caption=_CAPTION, box=box.SIMPLE_HEAD)
        for heading in ("p50", "p95", "p99", "first KB", "next KB"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self.found:
            table.add_row(*row.cells())
        console.print(table)
        over = [f"{row.page} by the {row.by}" for row in self.found if not row.within]
        limits = f"p95 {P95_MS} ms, {FIRST_KB} KB, then {NEXT_KB} KB"
        console.print(f"over the limits ({limits}): {', '.join(over)}" if over else f"all within {limits}")
        show_disturbance(median(row.others_percent for row in self.found), console)


async def measure(servers: Servers, console: Console, requests: int) -> Findings:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    urls, found = (servers.rabbitmq.url, servers.mongodb.url), []
    async with cluster(LOGS, *urls, "api", API_REQUESTS_PER_MINUTE="0") as services:
        with progress_bar(console) as progress:
            task = progress.add_task("filling the database", total=None)
            owner = (await seed_cluster(services, ALL_OF_ONE)).busy
            for by in get_args(Who):
                async with visitor(services, by, owner) as http:
                    for page in _pages(by, owner):
                        progress.update(task, description=f"{page.name} by the {by}")
                        found.append(await _measured(services, http, page, requests))
    return Findings(machine, found)


def _pages(by: Who, owner: Owner) -> Iterator[Page]:
    """Lists are asked for again and again, single things each for another. What tenants see the operator sees too."""
    whose = ("tenant", "operator") if by == "operator" else (by,)
    found = {(view.path, view.query): view for view in possible(owner.first) if view.by in whose}
    for view in found.values():
        addresses = [view.address(_one_of_each(owner, number)) for number in range(_DIFFERENT)]
        yield Page(view.path + view.query, by, list(dict.fromkeys(addresses)))


def _one_of_each(owner: Owner, number: int) -> dict[str, str]:
    return owner.first | {name: ids[number % len(ids)] for name, ids in owner.ids.items()}


async def _measured(services: Cluster, http: ClientSession, page: Page, requests: int) -> Measured:
    for number in range(_WARM_UP):
        await _ask(http, page, -number)
    [api] = services.of("api")
    meter = CpuMeter({**server_roles(), api.pid: "api", os.getpid(): "bench"})
    ends = time.perf_counter() + _LONGEST_SECONDS
    took: list[float] = []
    while len(took) < requests and time.perf_counter() < ends:
        took.append(await _ask(http, page, len(took)))
    percentiles = quantiles(took, n=100, method="inclusive")
    next_bytes, assets = await _weight(http, page)
    return Measured(
        page=page.name,
        by=page.by,
        requests=len(took),
        p50_ms=percentiles[49] * 1000,
        p95_ms=percentiles[94] * 1000,
        p99_ms=percentiles[98] * 1000,
        first_kb=(next_bytes + assets) / 1000,
        next_kb=next_bytes / 1000,
        others_percent=meter.usage().percent_of_others(),
    )


async def _ask(http: ClientSession, page: Page, number: int) -> float:
    """Seconds until the whole page is here."""
    began = time.perf_counter()
    async with http.get("/dashboard" + page.addresses[number % len(page.addresses)]) as response:
        await response.read()
        took = time.perf_counter() - began
        assert response.status == 200, f"{page.name}: {await text_of(response)}"
    return took


async def _weight(http: ClientSession, page: Page) -> tuple[int, int]:
    """Bytes of the heaviest of some of these pages, and of all that it fetches and may keep for ever."""
    heaviest, text = 0, ""
    for address in page.addresses[:20]:
        async with http.get("/dashboard" + address) as response:
            if (bytes_ := await size_of(response)) > heaviest:
                heaviest, text = bytes_, await text_of(response)
    assets = 0
    for address in sorted(set(re.findall('(?:href|src)="(/dashboard/static/[^"]+)"', text))):
        async with http.get(address) as response:
            assert "immutable" in response.headers["Cache-Control"], address
            assets += await size_of(response)
    return heaviest, assets


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__)
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="so many of each; default 200")
    parser.add_argument("--json", type=Path, default=FOLDER / "pages.json", metavar="FILE")
    options = parser.parse_args()
    return bench(lambda servers, console: measure(servers, console, options.requests), options.json)


if __name__ == "__main__":
    sys.exit(main())
