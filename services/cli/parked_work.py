"""Goes through parked messages, oldest first: sends each again to where it came from, or discards it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from services.cli.pace import Pace, rest
from services.cli.parked_view import whole
from services.cli.progress import bar
from services.cli.showing import json_line
from services.cli.tally import Tally
from shared import wiring
from shared.broker.browser import Browser
from shared.broker.parked import Parked, parked
from shared.broker.parked_acts import send_again
from shared.broker.parked_choice import ParkedWanted
from shared.broker.publisher import Publisher
from shared.broker.topology import PARKED
from shared.errors import DependencyUnavailable, StartupError

NAME = "cli"
_Act = Callable[[Sequence[Parked]], Awaitable[None]]


def browser() -> Browser:
    return Browser(url=wiring.amqp_url(), name=NAME, queue=PARKED)


async def chosen(looking: Browser, wanted: ParkedWanted, stopped: asyncio.Event) -> AsyncIterator[list[Parked]]:
    """Group by group, so that few bodies are in memory. Ends early when told to stop."""
    async for group in looking.groups():
        yield [one for one in map(parked, group) if wanted.takes(one)]
        if stopped.is_set():
            return


class ParkedWork:
    """`limit`: at most so many. A message is gone only once its copy is safe elsewhere, if there is to be one."""

    def __init__(self, wanted: ParkedWanted, tally: Tally, *, limit: int | None, stopped: asyncio.Event) -> None:
        self._wanted = wanted
        self._tally = tally
        self._most = tally.before if limit is None else min(limit, tally.before)
        self._stopped = stopped
        self._seen = 0

    async def retry(self, publisher: Publisher, pace: Pace, *, body: bytes | None) -> None:
        """`body` takes the place of the one that was parked."""
        async with browser() as looking:

            async def act(group: Sequence[Parked]) -> None:
                for one in group:
                    if self._stopped.is_set():
                        return
                    await send_again(one, looking, publisher, self._tally, body)
                    self._seen += 1
                    if not self._tally.dry_run and self._seen < self._most:
                        await rest(pace.rest_seconds(1), self._stopped)

            await self._go_through(looking, act)

    async def discard(self, *, save: Path | None) -> None:
        async with browser() as looking:

            async def act(group: Sequence[Parked]) -> None:
                if not self._tally.dry_run:
                    if save:
                        keep(save, group)
                    for one in group:
                        await looking.ack(one.message)
                self._tally.done += len(group)
                self._seen += len(group)

            await self._go_through(looking, act)

    async def _go_through(self, looking: Browser, act: _Act) -> None:
        """Until the end, Ctrl-C, or an outage: in each case the tally says how far it came."""
        try:
            with bar() as progress:
                task = progress.add_task(self._tally.noun + "s", total=self._most)
                async for group in chosen(looking, self._wanted, self._stopped):
                    await act(group[: self._most - self._seen])
                    progress.update(task, completed=self._seen)
                    if self._seen >= self._most:
                        break
            self._tally.stopped |= self._stopped.is_set() and self._seen < self._most
            self._tally.left = self._tally.before - (0 if self._tally.dry_run else self._tally.done)
        except DependencyUnavailable as error:
            self._tally.failure = str(error)


def keep(file: Path, group: Sequence[Parked]) -> None:
    """Append a line of JSON for each; returns when they are on disk. Bodies are learners' data: for the owner only."""
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as copy:
            copy.writelines(json_line(whole(one)) for one in group)
            copy.flush()
            os.fsync(copy.fileno())
    except OSError as error:
        raise StartupError(f"--save: {file}: {error.strerror}") from None
