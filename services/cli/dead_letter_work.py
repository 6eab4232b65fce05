"""Goes through dead letters, oldest first, and gives each a new round or discards it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from services.cli.pace import Pace, rest
from services.cli.progress import bar
from services.cli.tally import Tally
from shared import wiring
from shared.contracts.dead_letters import DeadLettersWanted
from shared.contracts.listing import Position
from shared.errors import DependencyUnavailable
from shared.store.dead_letter_acts import DeadLetterActs
from shared.store.dead_letters import DeadLetters
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.mongo import Document, misconfigured_if_refused

_GROUP = 500
_Act = Callable[[Sequence[Document]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the commands work with."""

    letters: DeadLetters
    deliveries: Deliveries
    events: Events
    acts: DeadLetterActs


@asynccontextmanager
async def opened() -> AsyncIterator[Desk]:
    """Raises StartupError for settings that cannot be used, StoreUnavailable when the database is away."""
    mongo = wiring.mongo()
    events = wiring.events(mongo)
    letters = DeadLetters(mongo, events=events)
    acts = DeadLetterActs(mongo, letters=letters, by_hand=wiring.by_hand(mongo))
    try:
        async with misconfigured_if_refused():
            await mongo.prepare()
            yield Desk(letters=letters, deliveries=wiring.deliveries(mongo), events=events, acts=acts)
    finally:
        await mongo.stop(0)


class DeadLetterWork:
    """`limit`: at most so many. Stops between two groups; dying in one leaves some of it done."""

    def __init__(
        self, desk: Desk, wanted: DeadLettersWanted, tally: Tally, *, limit: int | None, stopped: asyncio.Event
    ) -> None:
        self._desk = desk
        self._wanted = wanted
        self._tally = tally
        self._most = tally.before if limit is None else min(limit, tally.before)
        self._stopped = stopped

    async def retry(self, pace: Pace, *, force: bool) -> None:
        """`force`: also those whose webhook is deleted or inactive."""
        act = partial(self._desk.acts.retry, counts=self._tally, force=force)
        await self._go_through(act, None if self._tally.dry_run else pace)

    async def discard(self) -> None:
        await self._go_through(partial(self._desk.acts.discard, counts=self._tally), None)

    async def _go_through(self, act: _Act, pace: Pace | None) -> None:
        """Until the end, Ctrl-C, or an outage: in each case the tally says how far it came."""
        try:
            await self._desk.acts.name_others(self._wanted.ids, self._tally)
            await self._all_groups(act, pace)
            self._tally.left = await self._desk.letters.count(self._wanted)
        except DependencyUnavailable as error:
            self._tally.failure = str(error)

    async def _all_groups(self, act: _Act, pace: Pace | None) -> None:
        seen, after, size = 0, None, pace.group if pace else _GROUP
        with bar() as progress:
            task = progress.add_task(self._tally.noun + "s", total=self._most)
            while seen < self._most and not self._stopped.is_set():
                group = await self._desk.letters.oldest(self._wanted, after, min(size, self._most - seen))
                if not group:
                    return
                await act(group)
                seen, after = seen + len(group), Position(group[-1]["created_at"], group[-1]["_id"])
                progress.advance(task, len(group))
                if pace and seen < self._most:
                    await rest(pace.rest_seconds(len(group)), self._stopped)
        self._tally.stopped = seen < self._most
