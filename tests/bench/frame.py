"""What a bench stands in: private servers in one folder, gone when it ends however it ends; results shown and kept."""

import asyncio
import shutil
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import orjson
import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.download import PROJECT
from deploy.local.errors import LocalServersError
from deploy.local.folder import claimed
from deploy.local.progress import TerminalProgress
from deploy.local.servers import Servers, local_servers
from tests.bench.children import ChildFailed
from tests.servers import chosen_kind

FOLDER = PROJECT / ".local" / "bench"
LOGS = FOLDER / "logs"


class Findings(Protocol):
    def show(self, console: Console) -> None: ...

    def as_json(self) -> dict[str, Any]: ...


def bench(measure: Callable[[Servers, Console], Coroutine[Any, Any, Findings]], result: Path) -> int:
    """Measures, shows, and writes the result; answers the exit code."""
    console = Console(stderr=True, highlight=False)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with claimed(FOLDER):
            for name in ("servers", "logs"):
                shutil.rmtree(FOLDER / name, ignore_errors=True)
            LOGS.mkdir()
            with local_servers(FOLDER / "servers", kind=chosen_kind(), progress=TerminalProgress()) as servers:
                findings = asyncio.run(_cancelled_by_sigterm(measure(servers, console)))
        shutil.rmtree(FOLDER / "servers", ignore_errors=True)
    except (LocalServersError, ChildFailed, AssertionError, pytest.UsageError) as error:
        console.print(str(error), markup=False)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    findings.show(Console(highlight=False))
    result.write_bytes(orjson.dumps(findings.as_json(), option=orjson.OPT_INDENT_2))
    return 0


async def _cancelled_by_sigterm(measuring: Coroutine[Any, Any, Findings]) -> Findings:
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await measuring


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, refresh_per_second=1, transient=True) as progress:
        yield progress


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
