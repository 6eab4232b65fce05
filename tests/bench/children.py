"""The bench's own processes. Each ends when its standard input closes: it was told to, or the bench is gone."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


class ChildFailed(Exception):
    """A process of the bench ended with an error; its log says why."""


class Child:
    def __init__(self, module: str, *arguments: object, log: Path, answers: bool = False) -> None:
        self.module = module
        self._log = log
        with log.open("ab") as errors:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if answers else errors,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for the bench, which then ends its children
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def check(self) -> None:
        if self._popen.poll() is not None:
            raise ChildFailed(f"the {self.module} ended; see {self._log}")

    async def stop(self, within_seconds: float = 30) -> None:
        """Let it finish what it has begun."""
        assert self._popen.stdin
        self._popen.stdin.close()
        code = await asyncio.to_thread(self._popen.wait, within_seconds)
        if code:
            raise ChildFailed(f"the {self.module} ended with {code}; see {self._log}")

    async def answer(self) -> bytes:
        """What it prints, once it has ended by itself."""
        assert self._popen.stdout
        text = await asyncio.to_thread(self._popen.stdout.read)
        await self.stop()
        return text

    def close(self) -> None:
        with contextlib.suppress(OSError):
            assert self._popen.stdin
            self._popen.stdin.close()
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait()


@contextlib.contextmanager
def child(module: str, *arguments: object, log: Path, answers: bool = False) -> Iterator[Child]:
    made = Child(module, *arguments, log=log, answers=answers)
    try:
        yield made
    finally:
        made.close()


async def parent_gone() -> None:
    """For a child: returns when its standard input is at its end."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass
