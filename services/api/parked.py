"""What operators do with parked messages: look at the first of them, send them again, discard them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import StringConstraints

from shared.broker.browser import Browser
from shared.broker.lookout import Lookout
from shared.broker.parked import Parked, parked
from shared.broker.parked_acts import drop, send_again
from shared.broker.parked_choice import ParkedWanted
from shared.broker.topology import PARKED
from shared.contracts.event import TenantId
from shared.contracts.listing import Moment, Query
from shared.counts import Counts
from shared.errors import DependencyUnavailable
from shared.times import iso

LOOKED_AT = 1_000
"""Oldest first; of more than this the rest is left untouched, as somebody waits for the page."""
SHOWN = 100
_BYTES = 32 * 1024 * 1024
_LOOK_SECONDS = 2
_WORK_SECONDS = 10
_SLACK_SECONDS = 5
"""To connect, and to give everything back."""


class ParkedAsked(Query):
    """`GET /dashboard/parked`, and what is done with those that it means."""

    id: Annotated[str, StringConstraints(pattern="^parked_[0-9a-f]{16}$")] | None = None
    came_from: Annotated[str, StringConstraints(max_length=255)] | None = None
    reason: Annotated[str, StringConstraints(max_length=200)] | None = None
    tenant_id: TenantId | None = None
    since: Moment | None = None
    until: Moment | None = None

    def wanted(self) -> ParkedWanted:
        return ParkedWanted(
            ids=frozenset({self.id} if self.id else ()),
            came_from=self.came_from,
            reason=self.reason,
            tenant=self.tenant_id,
            since=self.since,
            until=self.until,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRow:
    """A parked message without its body, which may have megabytes."""

    id: str
    came_from: str | None
    reason: str | None
    parked_at: str | None
    tenants: tuple[str, ...]
    size: int
    sendable: bool

    @classmethod
    def of(cls, one: Parked) -> "ParkedRow":
        return cls(
            id=one.id,
            came_from=one.came_from,
            reason=one.reason,
            parked_at=iso(one.at) if one.at else None,
            tenants=tuple(sorted(one.tenants)),
            size=len(one.body),
            sendable=one.origin is not None,
        )


@dataclass(slots=True)
class ParkedLook:
    """`there`: how many are parked. `looked`: how many of them were looked at, of which `matching` were meant."""

    there: int
    looked: int = 0
    matching: int = 0
    rows: list[ParkedRow] = field(default_factory=list)
    first: Parked | None = None


_Act = Callable[[Parked, Browser, Counts], Awaitable[None]]


class ParkedService:
    """To look at messages they are taken and given back. All raise DependencyUnavailable."""

    def __init__(self, lookout: Lookout) -> None:
        self._lookout = lookout

    async def look(self, wanted: ParkedWanted) -> ParkedLook:
        async with self._lookout.browser(PARKED, _LOOK_SECONDS + _SLACK_SECONDS) as looking:
            look = ParkedLook(await looking.depth())
            async for one in _each(looking, look, _LOOK_SECONDS):
                if wanted.takes(one):
                    look.first = look.first or one
                    look.matching += 1
                    if look.matching <= SHOWN:
                        look.rows.append(ParkedRow.of(one))
        return look

    async def send_again(self, wanted: ParkedWanted, *, dry_run: bool = False) -> tuple[Counts, ParkedLook]:
        """Each leaves the queue once RabbitMQ has confirmed the new one."""

        async def act(one: Parked, looking: Browser, counts: Counts) -> None:
            await send_again(one, looking, self._lookout.publisher, counts)

        return await self._go_through(wanted, act, dry_run=dry_run)

    async def discard(self, wanted: ParkedWanted, *, dry_run: bool = False) -> tuple[Counts, ParkedLook]:
        return await self._go_through(wanted, drop, dry_run=dry_run)

    async def _go_through(self, wanted: ParkedWanted, act: _Act, *, dry_run: bool) -> tuple[Counts, ParkedLook]:
        """An outage under way ends it: the counts say how far it came."""
        async with self._lookout.browser(PARKED, _WORK_SECONDS + _SLACK_SECONDS) as looking:
            look = ParkedLook(await looking.depth())
            counts = Counts(before=look.there, dry_run=dry_run)
            try:
                async for one in _each(looking, look, _WORK_SECONDS):
                    if wanted.takes(one):
                        look.matching += 1
                        await act(one, looking, counts)
                counts.left = counts.before - (0 if dry_run else counts.done)
            except DependencyUnavailable as error:
                counts.failure = str(error)
        return counts, look


async def _each(looking: Browser, look: ParkedLook, seconds: float) -> AsyncIterator[Parked]:
    """One after the other, and no more once it was long enough or there were too many bytes."""
    clock, size = asyncio.get_running_loop().time, 0
    ends = clock() + seconds
    async for group in looking.groups(LOOKED_AT):
        for message in group:
            if clock() > ends or size > _BYTES:
                looking.enough()
                return
            look.looked, size = look.looked + 1, size + len(message.body)
            yield parked(message)
