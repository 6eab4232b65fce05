"""A task in the background never ends unnoticed, and a CancelledError that nobody asked for is an error."""

import asyncio
import subprocess
import sys

import pytest

from shared.broker.connection import unavailable_if_gone
from shared.errors import DependencyUnavailable
from shared.lifecycle import was_cancelled

_PROGRAM = """
import asyncio
from shared.errors import DependencyUnavailable, StartupError
from shared.lifecycle import Service, background, run

class Breaking:
    async def start(self):
        self.task = background(self.break_soon())

    async def break_soon(self):
        await asyncio.sleep(0.01)
        {}

    async def stop(self, deadline):
        print("stopped in order")

run("breaking", lambda: Service(name="breaking", host="127.0.0.1", port=0, parts=[Breaking()], checks={{}}))
"""


def _ended(failure: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", _PROGRAM.format(failure)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    "failure",
    ["raise ValueError('a bug')", "raise asyncio.CancelledError", "raise DependencyUnavailable('nobody kept trying')"],
)
def test_a_background_task_that_fails_ends_its_process(failure: str) -> None:
    ended = _ended(failure)
    assert (ended.returncode, ended.stderr.count("Traceback")) == (1, 0), ended.stderr
    assert "service.task_failed" in ended.stdout
    assert "break_soon" in ended.stdout
    assert "stopped in order" in ended.stdout


def test_a_setting_that_is_refused_later_is_one_line_and_no_traceback() -> None:
    ended = _ended("raise StartupError('DISPATCHER_THIS: is that')")
    assert (ended.returncode, ended.stderr) == (2, "breaking: DISPATCHER_THIS: is that\n")
    assert "Traceback" not in ended.stdout
    assert "stopped in order" in ended.stdout


async def test_a_connection_that_ends_under_a_waiter_is_a_dependency_that_is_away() -> None:
    waited_on = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(waited_on.cancel)
    with pytest.raises(DependencyUnavailable):
        async with unavailable_if_gone():
            await waited_on
    assert not was_cancelled()


async def test_a_task_that_somebody_cancels_stays_cancelled() -> None:
    async def waits() -> None:
        async with unavailable_if_gone():
            await asyncio.sleep(60)

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert was_cancelled(task)
