"""How the whole site is at one moment: what of it cannot be asked says so, and the rest is known all the same."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.cli.readiness import Address, Health, Readiness, ask
from shared.broker.lookout import Depth, Lookout
from shared.broker.topology import PARKED, WORK
from shared.errors import DependencyUnavailable, StartupError, StoreUnavailable
from shared.store.glance import Glance, Glances
from shared.store.inspection import briefly
from shared.store.mongo import MAX_OFFSET_SECONDS, Mongo, misconfigured_if_refused

LATE = timedelta(minutes=1)
"""What is due waits a moment for the scheduler, and longer only when something is wrong."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """`queues` and `store` in words where they could not be asked. `offset_seconds`: of the database's clock."""

    services: Sequence[Readiness]
    queues: Sequence[Depth] | str
    store: Glance | str
    offset_seconds: float

    def troubles(self) -> Iterator[str]:
        """Each in a line; a healthy site has none. That something waits for a person is no trouble."""
        for one in self.services:
            if one.health is not Health.READY:
                yield f"{one.address.service} is {one.health}{f': {one.detail}' if one.detail else ''}"
        yield from [self.queues] if isinstance(self.queues, str) else _idle(self.queues)
        yield from [self.store] if isinstance(self.store, str) else _late(self.store)
        if abs(self.offset_seconds) > MAX_OFFSET_SECONDS:
            yield f"this machine's clock and MongoDB's are {abs(self.offset_seconds):.1f} s apart"

    @property
    def parked(self) -> int | None:
        """None: not known."""
        depths = [] if isinstance(self.queues, str) else self.queues
        return next((one.ready for one in depths if one.queue == PARKED), None)


def _idle(depths: Sequence[Depth]) -> Iterator[str]:
    for one in depths:
        if one.queue in WORK and not one.consumers:
            yield f"nobody takes from the queue {one.queue}"


def _late(store: Glance) -> Iterator[str]:
    if store.oldest_due and (late := late_by(store.oldest_due, store.at)) > LATE:
        yield f"a delivery that was due {late.total_seconds():.0f} s ago still waits"


def late_by(due: datetime, now: datetime) -> timedelta:
    """Nothing for what is not due yet."""
    return max(timedelta(0), now - due)


class Watch:
    """Asks again and again over the same connections."""

    def __init__(self, *, mongo: Mongo, lookout: Lookout, services: Sequence[Address]) -> None:
        self._mongo = mongo
        self._lookout = lookout
        self._services = services

    async def look(self) -> Site:
        services, queues, store = await asyncio.gather(ask(self._services), self._queues(), self._store())
        return Site(services=services, queues=queues, store=store, offset_seconds=self._mongo.offset_seconds)

    async def _queues(self) -> Sequence[Depth] | str:
        try:
            return await self._lookout.depths()
        except (DependencyUnavailable, StartupError) as error:
            return str(error)

    async def _store(self) -> Glance | str:
        try:
            async with misconfigured_if_refused():
                await self._mongo.measure_offset()
                return await Glances(self._mongo).glance()
        except StoreUnavailable as error:
            return briefly(error)
        except StartupError as error:
            return str(error)
