"""Runs what a command does: one line for a failure, an exit code for scripts, Ctrl-C as a wish to stop."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
import typer

from shared.errors import DispatcherError, StartupError

DONE = 0
LEFT = 1  # not all of it is done
UNUSABLE = 2  # settings or arguments
INTERRUPTED = 130

Work = Callable[[asyncio.Event], Coroutine[Any, Any, int]]


def run(work: Work) -> None:
    """Ends the command with the code that `work` answers. The event is set by the first Ctrl-C; a second ends all."""
    _silence()
    raise typer.Exit(_code(work))


def complain(words: object) -> None:
    print(f"dispatcher: {words}", file=sys.stderr)


async def agreed(question: str, stopped: asyncio.Event) -> bool:
    """Asks on the terminal. Raises StartupError where there is none."""
    if not sys.stdin.isatty():
        raise StartupError("there is nobody to ask: say --yes, or --dry-run to count only")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    answer = asyncio.ensure_future(_typed())
    interrupted = asyncio.ensure_future(stopped.wait())
    await asyncio.wait([answer, interrupted], return_when=asyncio.FIRST_COMPLETED)
    for waiting in (answer, interrupted):
        waiting.cancel()
    return not stopped.is_set() and answer.result().strip().lower() in ("y", "yes")


async def _typed() -> str:
    """The next line. Read when it is there, as a thread that waits for it could not be told to stop."""
    there = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, there.set)
    try:
        await there.wait()
    finally:
        asyncio.get_running_loop().remove_reader(sys.stdin)
    return sys.stdin.readline()


def _silence() -> None:
    """What shared parts and libraries log is for those who read services' logs. Here an error is one line."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable()


def _code(work: Work) -> int:
    try:
        return asyncio.run(_interruptible(work))
    except StartupError as error:
        complain(error)
        return UNUSABLE
    except DispatcherError as error:
        complain(error)
        return LEFT


async def _interruptible(work: Work) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        loop.remove_signal_handler(number)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return await work(stopped)
