"""`make bench`: runs the services as on a machine of their own and says how fast and how cheap they are."""

import argparse
import asyncio
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from deploy.local.servers import Servers
from tests.bench import phases
from tests.bench.frame import FOLDER, LOGS, bench, progress_bar
from tests.bench.payload import WEBHOOKS, Shape
from tests.bench.phases import Lengths
from tests.bench.report import Results
from tests.bench.stage import Stage, staged

PHASES = ("throughput", "latency", "idle", "memory")
FULL = Lengths(repetitions=3, warm_up=8, sustained=20, raw_loop=10, idle=60)
QUICK = Lengths(repetitions=1, warm_up=3, sustained=5, raw_loop=5, idle=5)
_MEMORY_ABOUT_SECONDS = 90


class Display:
    """The progress bar; whole lines appear above it."""

    def __init__(self, progress: Progress, total: float) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=total)

    async def wait(self, what: str, seconds: float) -> None:
        self._progress.update(self._task, description=what)
        while seconds > 0:
            step = min(seconds, 1)
            await asyncio.sleep(step)
            seconds -= step
            self._progress.advance(self._task, step)

    def tell(self, line: str) -> None:
        self._progress.console.print(line)


async def measure(stage: Stage, lengths: Lengths, wanted: set[str], display: Display) -> Results:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    results = Results(machine, stage.shape.fanout)
    if wanted & {"throughput", "latency"}:
        results.throughput = await phases.throughput(stage, lengths, display.wait, display.tell)
    if results.throughput and "latency" in wanted:
        half = results.throughput.deliveries_per_second / 2
        results.latency = await phases.latency(stage, half, lengths, display.wait)
    if "idle" in wanted:
        results.idle = await phases.idle(stage, lengths.idle, display.wait)
    if "memory" in wanted:
        results.memory = await phases.memory(stage, display.wait)
    return results


async def run(servers: Servers, console: Console, options: argparse.Namespace) -> Results:
    lengths, wanted = (QUICK if options.quick else FULL), set(options.only)
    async with staged(LOGS, servers, Shape(options.fanout)) as stage:
        with progress_bar(console) as progress:
            return await measure(stage, lengths, wanted, Display(progress, _about_seconds(lengths, wanted)))


def _about_seconds(lengths: Lengths, wanted: set[str]) -> float:
    about = {"latency": lengths.latency, "idle": lengths.idle + 5, "memory": _MEMORY_ABOUT_SECONDS}
    throughput = lengths.throughput if wanted & {"throughput", "latency"} else 0
    return throughput + sum(about.get(name, 0) for name in wanted)


def main() -> int:
    options = _options()
    return bench(lambda servers, console: run(servers, console, options), options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--fanout", type=int, choices=(1, 40, WEBHOOKS), default=1, help="webhooks per event")
    parser.add_argument("--quick", action="store_true", help="short, once, without idle and memory: not comparable")
    parser.add_argument("--only", type=_phases, help=f"some of {','.join(PHASES)}")
    parser.add_argument("--json", type=Path, default=FOLDER / "result.json", metavar="FILE")
    options = parser.parse_args()
    options.only = options.only or (PHASES[:2] if options.quick else PHASES)
    return options


def _phases(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = set(names) - set(PHASES)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(PHASES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
