"""Operators' commands as processes of their own."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import forks as forking


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


async def started(
    env: Mapping[str, str], *arguments: str, stdin: int | None = None, stderr: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    """Nobody types into it, unless `stdin` is given."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", *arguments),
        env=env,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
    )


class Forks:
    """Where commands start at once: each is forked from a process that has imported them, see `forks.py`."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "s")
        self._started: list[asyncio.subprocess.Process] = []
        self._process = subprocess.Popen([sys.executable, "-m", "tests.forks", self._socket], stdout=subprocess.PIPE)
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    async def start(
        self, env: Mapping[str, str], *arguments: str, stdin: int | None = None
    ) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-S", "-E", forking.__file__, self._socket, *arguments),
            env=env,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """Ends also what a test that failed left running."""
        for process in self._started:
            if process.returncode is None:
                process.terminate()
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """For the many commands of which nothing matters but what they do: a start costs a tenth."""
    with tempfile.TemporaryDirectory() as folder:
        made = Forks(Path(folder))
        yield made
        made.close()


async def ended(process: asyncio.subprocess.Process, typed: bytes | None = None) -> Ended:
    """`typed` goes to its standard input, if that is a pipe."""
    out, err = await process.communicate(typed)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), (err or b"").decode())
