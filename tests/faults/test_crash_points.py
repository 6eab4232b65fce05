"""Fan-out, worker and scheduler are killed at every await between taking a message and acking it.

The list of points is made from the code: a new await that no scenario comes by fails these tests with its line.
"""

import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.servers import Server
from tests.faults.bench import Bench, Scenario, bench, crash, run_through
from tests.faults.figures import figures_equal_a_scan
from tests.faults.points import EXCLUDED, EXCLUDED_STATEMENTS, Point, points_of
from tests.faults.scenarios import SCENARIOS

Plan = dict[Point, list[type[Scenario]]]


@pytest.fixture(scope="module")
async def site(rabbitmq: Server, mongodb: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    folder: Path = tmp_path_factory.mktemp("crashes")
    async with bench(folder, rabbitmq.url, mongodb.url) as made:
        yield made


@pytest.mark.timeout(900)
@pytest.mark.parametrize("process", list(SCENARIOS))
async def test_a_process_killed_at_any_await_loses_nothing_and_repeats_no_document(
    site: Bench, process: str, report: list[str]
) -> None:
    started = time.monotonic()
    plan = await _plan(site, process)
    unreached = [str(point) for point in points_of(process) if not point.excluded and point not in plan]
    assert not unreached, "no scenario comes by here:\n" + "\n".join(unreached)
    for point, scenarios in plan.items():
        await _kill_at(site, point, scenarios)
    await site.count_letters()
    for scenario in site.scenarios.values():
        scenario.check_letters()
    await figures_equal_a_scan(site.mongo.db, within_seconds=60)
    report.append(f"{process}: killed at {len(plan)} points in {time.monotonic() - started:.0f} s")


def test_everything_excluded_exists() -> None:
    points = [point for process in SCENARIOS for point in points_of(process)]
    assert set(EXCLUDED) <= {(point.process, point.function) for point in points}
    assert set(EXCLUDED_STATEMENTS) <= {(point.process, point.code) for point in points}


async def _plan(site: Bench, process: str) -> Plan:
    """Which scenarios come by which point, found out by a run in which nobody is killed."""
    plan: defaultdict[int, list[type[Scenario]]] = defaultdict(list)
    for kind in SCENARIOS[process]:
        for number in await run_through(site, kind(site)):
            plan[number].append(kind)
        site.running[process].kill()
        site.start(process)  # with no points passed yet
    return {point: plan[point.number] for point in points_of(process) if point.number in plan and not point.excluded}


async def _kill_at(site: Bench, point: Point, scenarios: list[type[Scenario]]) -> None:
    """In the first scenario that leads there; some points are passed at a start only."""
    for kind in scenarios:
        if await crash(site, kind(site), point, at_start=kind.before_start):
            return
    assert await crash(site, scenarios[0](site), point, at_start=True), f"never passed when armed: {point}"
