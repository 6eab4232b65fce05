"""`make bench-isolation`: what endpoints in trouble cost those that are well."""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.servers import Servers
from tests.bench.badreceiver import SLOW_SECONDS
from tests.bench.children import Child, child
from tests.bench.counters import Counters, Span, percentiles
from tests.bench.evenness import Evenness
from tests.bench.frame import FOLDER, LOGS, bench, progress_bar
from tests.bench.meters import CpuMeter, server_roles
from tests.bench.payload import Shape, package_webhook
from tests.bench.phases import UNDELIVERED, Wait
from tests.bench.stage import create_webhooks, receiving
from tests.cluster import Cluster, ServiceProcess, cluster, free_port, until

_SETTLED_SECONDS = 120
_QUEUED_SECONDS = 300
_WARM_UP = 5.0
THROUGHPUT, SLOWEST = 0.95, 1.5
"""What shall hold: healthy throughput at least so much of what it was alone, its p99 at most so much of that.

Alone is measured again right before each trouble, when those before have been cleared away: the servers have taken
100,000 deliveries more each time. Twice as many events cost a machine of few cores latency whomever they are for: a
row shows how much. Seconds in which the machine's own cores were slow are left out of p50 and p99, on both sides.
"""
_MOST_LEFT_OUT = 2  # for each second that counts


@dataclass(frozen=True)
class Trouble:
    title: str
    name: str  # of its packages, and of its paths
    path: str = ""
    endpoints: int = 0

    @property
    def shape(self) -> Shape:
        return Shape(1, f"{self.name}:{self.endpoints}" if self.endpoints else "")


ALONE = Trouble("alone", "none")
DOUBLE = Trouble("twice as much to these, for comparison", "double")
TROUBLES = (
    Trouble("+ as much to one that hangs", "one", "hang", 1),
    Trouble("+ as much to twenty that hang", "twenty", "hang", 20),
    Trouble(f"+ as much to twenty that take {SLOW_SECONDS:g} s", "slow", "slow", 20),
)

DEAD = Trouble("a dead endpoint", "dead", "dead", 1)


@dataclass(frozen=True)
class Seen:
    """Healthy deliveries while it lasted. `left_out`: seconds in which the machine was slow."""

    per_second: float
    p50_ms: float
    p99_ms: float
    left_out: int


@dataclass(frozen=True)
class Row:
    """The healthy ones with others in trouble, and alone right before; `bad`: what became of the others' deliveries."""

    title: str
    alone: Seen
    troubled: Seen
    bad: dict[str, int]

    @property
    def throughput(self) -> float:
        return self.troubled.per_second / self.alone.per_second

    @property
    def slowest(self) -> float:
        return self.troubled.p99_ms / self.alone.p99_ms


@dataclass(frozen=True)
class Dead:
    """CPU of all services and servers, in percent of one core, with nothing published."""

    waiting: int
    percent: float
    idle_percent: float


@dataclass
class Findings:
    workers: int
    most_per_second: float
    rows: list[Row]
    accepted: int
    documents: dict[str, int]
    dead: Dead | None = None

    @property
    def adds_up(self) -> bool:
        ended = {"succeeded", "waiting", "dead"}
        return (
            sum(self.documents.values()) == self.accepted
            and set(self.documents) <= ended | {"cancelled"}  # by us, behind each trouble
            and all(set(row.bad) <= ended for row in self.rows)
        )

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "adds_up": self.adds_up}

    def _limits(self) -> list[tuple[str, float, bool]]:
        _, *troubled = self.rows
        least = min(row.throughput for row in troubled)
        slowest = max(row.slowest for row in troubled)
        return [
            (f"least healthy throughput, at least {THROUGHPUT} of alone", least, least >= THROUGHPUT),
            (f"worst healthy p99, at most {SLOWEST} of alone", slowest, slowest <= SLOWEST),
        ]

    def show(self, console: Console) -> None:
        console.print(f"{self.workers} workers; 200 healthy endpoints at a quarter of {self.most_per_second:,.0f}/s")
        heads = ("healthy/s", "of alone", "p50 ms, alone", "p99 ms, alone", "of alone", "s left out, alone")
        table = Table("", *heads, "the others ended")
        for row in self.rows:
            alone, seen = row.alone, row.troubled
            table.add_row(
                row.title,
                f"{seen.per_second:,.0f}",
                f"{row.throughput:.2f}",
                f"{seen.p50_ms:.1f}, {alone.p50_ms:.1f}",
                f"{seen.p99_ms:.1f}, {alone.p99_ms:.1f}",
                f"{row.slowest:.2f}",
                f"{seen.left_out}, {alone.left_out}",
                ", ".join(f"{count:,} {status}" for status, count in row.bad.items()) or "-",
            )
        console.print(table)
        for words, worst, holds in self._limits():
            console.print(f"{words}: {worst:.2f}, {'holds' if holds else 'DOES NOT HOLD'}")
        if self.dead:
            more = self.dead.percent - self.dead.idle_percent
            console.print(
                f"a dead endpoint with {self.dead.waiting:,} waiting costs {more:.1f} % of one core"
                f" ({self.dead.percent:.1f} % with it, {self.dead.idle_percent:.1f} % idle; all services and servers)"
            )
        total = " + ".join(f"{count:,} {status}" for status, count in self.documents.items())
        console.print(f"accepted {self.accepted:,} = {total}: {'adds up' if self.adds_up else 'DOES NOT ADD UP'}")


class Site:
    """Services, 200 healthy webhooks, and endpoints in trouble."""

    def __init__(self, folder: Path, services: Cluster, counters: Counters, bad_url: str) -> None:
        self.folder = folder
        self.services = services
        self.counters = counters
        self._bad_url = bad_url
        self._machine = Evenness()
        self._bad: list[str] = []  # webhooks of endpoints in trouble

    async def create(self, trouble: Trouble) -> None:
        nobody = f"http://127.0.0.1:{free_port()}"
        for package in trouble.shape.bad_packages:
            url = f"{nobody if trouble is DEAD else self._bad_url}/{trouble.path}/{package}"
            made = await self.services.create_webhook(url, **package_webhook(package))
            self._bad.append(made["id"])

    @asynccontextmanager
    async def publishing(self, mode: str, value: float, trouble: Trouble) -> AsyncIterator[Child]:
        arguments = ("--mode", mode, "--value", value, "--fanout", 1, "--bad", trouble.shape.bad)
        where = ("--url", self.services.amqp_url, "--counters", self.folder / "counters")
        with child("publisher", *where, *arguments, log=self.folder / "publisher.log") as publisher:
            yield publisher
            await publisher.stop()

    async def compare(self, trouble: Trouble, rate: float, seconds: float, wait: Wait) -> Row:
        """Alone, then in trouble, of which nothing is left when this returns."""
        alone = await self._measure(ALONE, rate, seconds, wait, f"alone, before: {trouble.title}")
        await self.create(trouble)
        troubled = await self._measure(trouble, rate, seconds, wait, trouble.title)
        await self.hold_still(wait)
        bad = await self.statuses(self._bad) if self._bad else {}
        self.scheduler.start()
        await self.clear(wait)
        return Row(trouble.title, alone, troubled, bad)

    async def _measure(self, trouble: Trouble, rate: float, seconds: float, wait: Wait, title: str) -> Seen:
        """From the first request into trouble on; the healthy ones have been under way before."""
        async with self.publishing("paced", rate, ALONE):
            await wait(f"{title}: warm-up", _WARM_UP)
        both = rate * (1 if trouble is ALONE else 2)
        spans: list[Span] = []
        counted = left_out = 0
        async with self.publishing("paced", both, trouble) as publisher:
            began, received = time.perf_counter(), self.counters.received
            while counted < seconds and left_out < seconds * _MOST_LEFT_OUT:
                await wait(title, 0)
                look = self.counters.histogram()
                if await self._machine.second():
                    counted += 1
                    spans.append((look, self.counters.histogram()))
                else:
                    left_out += 1
            publisher.check()
            per_second = (self.counters.received - received) / (time.perf_counter() - began)
        await self.drained(wait)
        assert counted >= seconds, f"{title}: the machine was slow in {left_out} seconds: measure again, or elsewhere"
        p50, p99 = percentiles(spans, 0.5, 0.99)
        return Seen(per_second, p50 * 1000, p99 * 1000, left_out)

    @property
    def scheduler(self) -> ServiceProcess:
        [only] = self.services.of("scheduler")
        return only

    async def hold_still(self, wait: Wait) -> None:
        """Without a scheduler nobody looks at what waits, and what is pending comes to an end."""
        await asyncio.to_thread(self.scheduler.stop)

        async def done() -> bool:
            await wait("holding still", 1)
            return "pending" not in await self.statuses()

        await until(done, _SETTLED_SECONDS, lambda: f"deliveries are still pending; logs in {self.folder}")

    async def clear(self, wait: Wait) -> None:
        """Nothing waits any more, and nobody is in trouble."""
        for webhook_id in self._bad:
            one = f"{self.services.api}/api/v1/webhooks/{webhook_id}"
            more = True
            while more:
                async with self.services.http.post(one + "/deliveries/cancel", json={}) as response:
                    assert response.status == 200, await response.text()
                    more = (await response.json())["more"]
            await self.services.http.delete(one)
        self._bad.clear()

        async def done() -> bool:
            await wait("clearing", 1)
            return set(await self.statuses()) <= {"succeeded", "dead", "cancelled"}

        await until(done, _SETTLED_SECONDS, lambda: f"deliveries still wait; logs in {self.folder}")

    async def dead_endpoint(self, count: int, wait: Wait) -> Dead:
        idle = await self._cpu("idle", wait)
        await self.create(DEAD)
        async with self.publishing("exactly", 2 * count, DEAD):

            async def all_wait() -> bool:
                await wait(f"{count:,} deliveries to a dead endpoint", 1)
                found = await self.statuses(self._bad)
                return found == {"waiting": count}

            await until(all_wait, _QUEUED_SECONDS, lambda: f"they do not wait; logs in {self.folder}")
        return Dead(count, await self._cpu("a dead endpoint", wait), idle)

    async def _cpu(self, what: str, wait: Wait) -> float:
        await wait(f"{what}: settling", 10)
        services = {service.pid: service.name for service in self.services.services}
        meter = CpuMeter({**services, **server_roles()})
        await wait(f"{what}: CPU", 30)
        return sum(meter.usage().percent().values())

    async def drained(self, wait: Wait) -> None:
        """Every event that was published is a delivery, and none is in the broker's hands for longer than usual."""

        async def done() -> bool:
            await wait("settling", 1)
            long_ago = datetime.now(UTC) - timedelta(seconds=5)
            stuck = {"status": "pending", "handed_at": {"$lt": long_ago}}
            return (
                sum((await self.statuses()).values()) == self.counters.published
                and await self.services.db.deliveries.count_documents(stuck) == 0
            )

        await until(done, _SETTLED_SECONDS, lambda: f"deliveries are still pending; logs in {self.folder}")

    async def statuses(self, webhook_ids: Sequence[str] = ()) -> dict[str, int]:
        """Of these webhooks' deliveries; without any: of all."""
        match = {"webhook_id": {"$in": webhook_ids}} if webhook_ids else {}
        groups = self.services.db.deliveries.aggregate([{"$match": match}, {"$sortByCount": "$status"}])
        return {group["_id"]: group["count"] async for group in groups}


async def run(servers: Servers, console: Console, options: argparse.Namespace) -> Findings:
    port, bad_port = free_port(), free_port()
    names = ("api", "fanout", "scheduler", *["delivery"] * options.workers)
    with receiving(LOGS, "counters", port) as (counters, _), child("badreceiver", bad_port, log=LOGS / "bad.log"):
        async with cluster(LOGS, servers.rabbitmq.url, servers.mongodb.url, *names) as services:
            await create_webhooks(services, ALONE.shape, port)
            site = Site(LOGS, services, counters, f"http://127.0.0.1:{bad_port}")
            with progress_bar(console) as progress:
                task = progress.add_task("starting", total=None)

                async def wait(what: str, seconds: float) -> None:
                    progress.update(task, description=what)
                    await asyncio.sleep(seconds)

                return await _findings(site, options, wait)


async def _findings(site: Site, options: argparse.Namespace, wait: Wait) -> Findings:
    most = await _most(site, wait)
    rate = options.rate or most / 4
    rows = [await site.compare(trouble, rate, options.seconds, wait) for trouble in (DOUBLE, *TROUBLES)]
    found = Findings(options.workers, most, rows, site.counters.published, await site.statuses())
    if options.dead:
        found.dead = await site.dead_endpoint(options.dead, wait)
    return found


async def _most(site: Site, wait: Wait) -> float:
    """Deliveries per second, when everybody is well and as much is published as arrives."""
    async with site.publishing("bounded", UNDELIVERED, ALONE):
        await wait("the maximum: warm-up", _WARM_UP)
        before = site.counters.received
        await wait("the maximum", 10)
        count = site.counters.received - before
    await site.drained(wait)
    return count / 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.isolation", description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=45, help="of each measurement")
    parser.add_argument("--rate", type=float, help="healthy deliveries per second; by default a quarter of the maximum")
    parser.add_argument("--dead", type=int, default=100_000, help="deliveries that wait for a dead endpoint; 0: none")
    parser.add_argument("--json", type=Path, default=FOLDER / "isolation.json", metavar="FILE")
    options = parser.parse_args()
    return bench(lambda servers, console: run(servers, console, options), options.json)


if __name__ == "__main__":
    sys.exit(main())
