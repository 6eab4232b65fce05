"""Runs what a command does: one line for a failure, an exit code for scripts, Ctrl-C as a wish to stop."""

import asyncio
import logging
import signal
import sys
import warnings
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog
import typer

from shared.errors import DispatcherError, StartupError
from shared.readable import printable

DONE = 0
LEFT = 1  # not all of it is done
UNUSABLE = 2  # settings or arguments
INTERRUPTED = 130
NOTHING_CHANGED = "nothing was changed"
OR_COUNT = ", or --dry-run to count only"

Work = Callable[[asyncio.Event], Coroutine[Any, Any, int]]
T = TypeVar("T")


class Interrupted(DispatcherError):
    """Ctrl-C came before the end; the words say what is known of what was under way."""


def run(work: Work) -> None:
    """Ends the command with the code that `work` answers. The event is set by the first Ctrl-C; a second ends all."""
    _silence()
    raise typer.Exit(_code(work))


def run_until_stopped(work: Coroutine[Any, Any, int], words: str = "stopped") -> None:
    """As `run`, of what may end anywhere: the first Ctrl-C cuts it off, with these words."""
    run(lambda stopped: unless_stopped(work, stopped, words))


def complain(words: object) -> None:
    print(f"dispatcher: {printable(str(words))}", file=sys.stderr)


async def unless_stopped(work: Coroutine[Any, Any, T], stopped: asyncio.Event, words: str = "stopped") -> T:
    """Gives `work` up and raises Interrupted with these words when told to stop."""
    under_way, stop = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([under_way, stop], return_when=asyncio.FIRST_COMPLETED)
        if under_way.done():
            return under_way.result()
        raise Interrupted(words)
    finally:
        under_way.cancel()
        stop.cancel()
        await asyncio.gather(under_way, stop, return_exceptions=True)


async def need_agreement(question: str, stopped: asyncio.Event, *, instead: str = "") -> None:
    """Asks on the terminal. Ends the command unless the answer is yes; StartupError where there is no terminal.

    `instead`: what else may be said where nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise StartupError(f"there is nobody to ask: say --yes{instead}")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    answer = await unless_stopped(_typed(), stopped, NOTHING_CHANGED)
    if answer.strip().lower() not in ("y", "yes"):
        raise DispatcherError(NOTHING_CHANGED)


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
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # aio-pika's, of a connection that never came about


def _code(work: Work) -> int:
    try:
        return asyncio.run(_interruptible(work))
    except StartupError as error:
        complain(error)
        return UNUSABLE
    except Interrupted as error:
        complain(error)
        return INTERRUPTED
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
