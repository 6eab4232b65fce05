"""Services that can be killed at a chosen point, from the test's side; `crash_main.py` is the other."""

import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.crash_main import ARMED, PASSED
from tests.faults.points import PROJECT, Point, points_of


class Forks:
    """The process that forks services; it ends with its input, and every fork with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = (folder / "forks.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.crash_main"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._answer() == "ready"

    def start(self, process: str, env: Mapping[str, str], armed: Point | None = None) -> "Fork":
        size = max(1, len(points_of(process)))
        handle, points = tempfile.mkstemp(prefix=f"{process}-points-", dir=self._folder)
        with os.fdopen(handle, "r+b") as file:
            file.write(bytes(size))
            file.flush()
            shared = mmap.mmap(file.fileno(), size)
        if armed:
            shared[armed.number] = ARMED
        log = self._folder / f"{process}.log"
        pid = self.ask({"start": process, "env": dict(env), "points": points, "log": str(log)})
        return Fork(self, process, pid, shared, log)

    def ask(self, command: dict[str, Any]) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, f"the forking process ended: {(self._folder / 'forks.log').read_text()[-2_000:]}"
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
        self._log.close()


class Fork:
    """One service process."""

    def __init__(self, forks: Forks, process: str, pid: int, points: mmap.mmap, log: Path) -> None:
        self.process = process
        self.pid = pid
        self.log = log
        self._forks = forks
        self._points = points
        self._status: int | None = None

    def arm(self, point: Point) -> None:
        """The next time it comes by there it dies."""
        self._points[point.number] = ARMED

    def disarm(self, point: Point) -> None:
        self._points[point.number] = 0

    def passed(self) -> set[int]:
        """Numbers of the points it came by so far."""
        return {number for number, byte in enumerate(self._points[:]) if byte == PASSED}

    def status(self) -> int | None:
        """None while it lives; minus the signal that ended it."""
        if self._status is None:
            self._status = self._forks.ask({"status": self.pid})
        return self._status

    def alive(self) -> bool:
        return self.status() is None

    def crashed(self) -> bool:
        """Killed at the armed point; any other end fails the test."""
        status = self.status()
        assert status in (None, -signal.SIGKILL), f"{self.process} ended with {status}: {self.tail()}"
        return status is not None

    def kill(self) -> None:
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
            while self.alive():
                os.sched_yield()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-2_000:] if self.log.exists() else ""


@contextmanager
def forks_in(folder: Path) -> Iterator[Forks]:
    forks = Forks(folder)
    try:
        yield forks
    finally:
        forks.close()
