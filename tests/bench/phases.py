"""The measurements. None judges: each returns what it saw."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median

import orjson

from tests.bench.children import child
from tests.bench.counters import percentiles
from tests.bench.meters import CpuMeter, Usage, peak_rss_bytes, server_roles
from tests.bench.stage import Stage, receiving
from tests.cluster import ServiceProcess, free_port, until

UNDELIVERED = 2_000
QUEUED = 100_000
RAW_LOOP_VALID_BELOW_US = 90
_QUEUEING_SECONDS = 300
_SETTLE_SECONDS = 5

Wait = Callable[[str, float], Awaitable[None]]
"""Sleeps, and shows what for."""


@dataclass(frozen=True)
class Lengths:
    """In seconds, except for the first."""

    repetitions: int
    warm_up: float
    sustained: float
    raw_loop: float
    idle: float

    @property
    def throughput(self) -> float:
        return self.repetitions * (self.warm_up + self.sustained + self.raw_loop + 1)

    @property
    def latency(self) -> float:
        return _SETTLE_SECONDS + self.warm_up + self.sustained


@dataclass(frozen=True)
class Raw:
    per_second: float
    cpu_us_per_post: float

    @property
    def valid(self) -> bool:
        return self.cpu_us_per_post <= RAW_LOOP_VALID_BELOW_US


@dataclass(frozen=True)
class Repetition:
    deliveries_per_second: float
    cpu_us_per_delivery: dict[str, float]
    others_percent: float  # of the machine, used by what does not belong to the bench
    raw: Raw


@dataclass(frozen=True)
class Throughput:
    repetitions: list[Repetition]
    extra_deliveries: int  # received more than once

    @property
    def deliveries_per_second(self) -> float:
        return median(r.deliveries_per_second for r in self.repetitions)

    @property
    def raw(self) -> Raw:
        return Raw(
            median(r.raw.per_second for r in self.repetitions),
            median(r.raw.cpu_us_per_post for r in self.repetitions),
        )

    @property
    def ratio(self) -> float:
        return self.deliveries_per_second / self.raw.per_second

    @property
    def cpu_us_per_delivery(self) -> dict[str, float]:
        roles = self.repetitions[0].cpu_us_per_delivery
        return {role: median(r.cpu_us_per_delivery[role] for r in self.repetitions) for role in roles}


@dataclass(frozen=True)
class Latency:
    deliveries_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_delivery: dict[str, float]


@dataclass(frozen=True)
class Idle:
    """Percent of one core."""

    services: dict[str, float]
    servers: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.services.values())


@dataclass(frozen=True)
class Memory:
    """Of a worker that was started with so many deliveries queued."""

    queued: int
    worker_peak_mb: float
    drained_per_second: float


async def throughput(stage: Stage, lengths: Lengths, wait: Wait, tell: Callable[[str], None]) -> Throughput:
    repetitions = []
    for number in range(1, lengths.repetitions + 1):
        title = f"throughput {number}/{lengths.repetitions}"
        rate, usage, count = await _sustained(stage, lengths, wait, title)
        raw = await raw_loop(stage, lengths.raw_loop, wait, f"raw loop {number}/{lengths.repetitions}")
        others = usage.percent_of_others()
        tell(
            f"{title}: {rate:,.0f} deliveries/s, raw loop {raw.per_second:,.0f}/s"
            f" (other programs used {others:.0f} % of this machine meanwhile)"
        )
        repetitions.append(Repetition(rate, usage.per(count), others, raw))
    return Throughput(repetitions, stage.counters.received - stage.expected)


async def _sustained(stage: Stage, lengths: Lengths, wait: Wait, title: str) -> tuple[float, Usage, int]:
    async with stage.publishing("bounded", max(UNDELIVERED, 10 * stage.shape.fanout)) as publisher:
        await wait(f"{title}: warm-up", lengths.warm_up)
        publisher.check()
        meter, before = CpuMeter(stage.roles(publisher)), stage.counters.received
        await wait(title, lengths.sustained)
        publisher.check()
        usage, count = meter.usage(), stage.counters.received - before
    return count / usage.seconds, usage, count


async def raw_loop(stage: Stage, seconds: float, wait: Wait, title: str) -> Raw:
    port, log = free_port(), stage.folder / "rawloop.log"
    with receiving(stage.folder, "raw-counters", port) as (_, receiver):
        await wait(title, 1)
        receiver.check()
        arguments = ("--port", port, "--warm-up", 1, "--seconds", seconds - 1)
        with child("rawloop", *arguments, log=log, answers=True) as client:
            answer, _ = await asyncio.gather(client.answer(), wait(title, seconds))
    return Raw(**orjson.loads(answer))


async def latency(stage: Stage, rate: float, lengths: Lengths, wait: Wait) -> Latency:
    """Publish → receive with `rate` deliveries per second asked for, and nothing of what ran before left to write."""
    await wait("latency: settling", _SETTLE_SECONDS)
    await asyncio.to_thread(os.sync)
    async with stage.publishing("paced", rate) as publisher:
        await wait("latency at half of the maximum: warm-up", lengths.warm_up)
        publisher.check()
        histogram, received = stage.counters.histogram(), stage.counters.received
        meter = CpuMeter(stage.roles(publisher))
        await wait("latency at half of the maximum", lengths.sustained)
        publisher.check()
        usage, count = meter.usage(), stage.counters.received - received
    p50, p99 = percentiles([(histogram, stage.counters.histogram())], 0.5, 0.99)  # the slowest have arrived by now
    return Latency(count / usage.seconds, p50 * 1000, p99 * 1000, usage.per(count))


async def idle(stage: Stage, seconds: float, wait: Wait) -> Idle:
    await wait("idle: settling", _SETTLE_SECONDS)
    services, servers = CpuMeter(stage.service_roles()), CpuMeter(server_roles())
    await wait("idle", seconds)
    return Idle(services.usage().percent(), servers.usage().percent())


async def memory(stage: Stage, wait: Wait) -> Memory:
    """The worker is away while 100,000 deliveries queue, and comes back to them."""
    [worker] = stage.services.of("delivery")
    await asyncio.to_thread(worker.stop)
    before = stage.counters.received
    async with stage.publishing("exactly", QUEUED / stage.shape.fanout):
        await _queued(stage, wait)
        worker.start()
        peak, seconds = await _peak_while_draining(stage, worker, before + QUEUED, wait)
    return Memory(QUEUED, peak / 1e6, QUEUED / seconds)


async def _queued(stage: Stage, wait: Wait) -> None:
    async def all_queued() -> bool:
        await wait(f"memory: queueing {QUEUED:,} deliveries", 1)
        return bool(await stage.services.db.deliveries.count_documents({"status": "pending"}) >= QUEUED)

    await until(all_queued, _QUEUEING_SECONDS, lambda: f"{QUEUED:,} deliveries are not queued")


async def _peak_while_draining(stage: Stage, worker: ServiceProcess, goal: int, wait: Wait) -> tuple[int, float]:
    began, peak = time.perf_counter(), 0
    while stage.counters.received < goal:
        await wait("memory: delivering them", 0.25)
        peak = max(peak, peak_rss_bytes(worker.pid))
    return peak, time.perf_counter() - began
