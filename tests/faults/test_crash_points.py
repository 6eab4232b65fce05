"""Fan-out, worker and scheduler are killed at every await between taking a message and acking it.

The list of points is made from the code: a new await that no scenario comes by fails these tests with its line.
What happens at one point is mostly waiting, so several sites share the points, each with services of its own.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from deploy.local.servers import Server, Supplier
from tests.faults.bench import Bench, Scenario, bench, crash, run_through
from tests.faults.figures import figures_equal_a_scan
from tests.faults.points import EXCLUDED, EXCLUDED_STATEMENTS, Point, points_of
from tests.faults.scenarios import SCENARIOS
from tests.servers import private_servers_in

_SITES = 3
_TRIES = 3
T = TypeVar("T")
Plan = dict[Point, list[type[Scenario]]]


@pytest.fixture(scope="module")
async def sites(
    server_supplier: Supplier, servers_folder: Path, mongodb: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[Bench]]:
    """With a broker each, where their queues have the same names."""
    async with AsyncExitStack() as stack:
        servers = stack.enter_context(private_servers_in(servers_folder, server_supplier))
        yield [
            await stack.enter_async_context(
                bench(tmp_path_factory.mktemp("crashes"), servers.rabbitmq().url, mongodb.url)
            )
            for _ in range(_SITES)
        ]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("process", list(SCENARIOS))
async def test_a_process_killed_at_any_await_loses_nothing_and_repeats_no_document(
    sites: list[Bench], process: str, report: list[str]
) -> None:
    started = time.monotonic()
    plan = await _plan(sites, process)
    unreached = [str(point) for point in points_of(process) if not point.excluded and point not in plan]
    assert not unreached, "no scenario comes by here:\n" + "\n".join(unreached)
    await _shared(sites, plan, lambda site, point: _kill_at(site, point, plan[point]))
    for site in sites:
        await site.count_letters()
        for scenario in site.scenarios.values():
            scenario.check_letters()
        await figures_equal_a_scan(site.mongo.db, within_seconds=60)
    report.append(f"{process}: killed at {len(plan)} points in {time.monotonic() - started:.0f} s")


def test_everything_excluded_exists() -> None:
    points = [point for process in SCENARIOS for point in points_of(process)]
    assert set(EXCLUDED) <= {(point.process, point.function) for point in points}
    assert set(EXCLUDED_STATEMENTS) <= {(point.process, point.code) for point in points}


async def _shared(sites: list[Bench], work: Iterable[T], do: Callable[[Bench, T], Awaitable[None]]) -> None:
    """Each site takes the next piece as soon as it is done with one."""
    left = iter(work)

    async def one(site: Bench) -> None:
        for piece in left:
            await do(site, piece)

    async with asyncio.TaskGroup() as group:
        for site in sites:
            group.create_task(one(site))


async def _plan(sites: list[Bench], process: str) -> Plan:
    """Which scenarios come by which point, found out by a run in which nobody is killed."""
    passed: defaultdict[type[Scenario], set[int]] = defaultdict(set)

    async def run(site: Bench, kind: type[Scenario]) -> None:
        passed[kind] = await run_through(site, kind(site))
        site.running[process].kill()
        site.start(process)  # with no points passed yet

    await _shared(sites, SCENARIOS[process], run)
    plan = {
        point: [kind for kind in SCENARIOS[process] if point.number in passed[kind]] for point in points_of(process)
    }
    return {point: kinds for point, kinds in plan.items() if kinds and not point.excluded}


async def _kill_at(site: Bench, point: Point, scenarios: list[type[Scenario]]) -> None:
    """In the first scenario that leads there; some points are passed at a start only.

    What waits for a place is put in line once its endpoint was silent for a moment: on a machine that stalls for so
    long nobody comes by where it would have gone on, so that one tries again.
    """
    for _ in range(_TRIES):
        for kind in scenarios:
            if await crash(site, kind(site), point, at_start=kind.before_start):
                return
        if await crash(site, scenarios[0](site), point, at_start=True):
            return
    pytest.fail(f"never passed when armed: {point}\n{site.explain()}")
