"""Lines at endpoints: a fresh delivery stands behind all that wait there, instead of being sent there by a worker.

A worker would do the same with it, at the price of a message and a second write. What is known here is a second or two
old, though, and a line may be left that nobody stands in: so one delivery every two seconds goes to a worker all the
same, and finds out how the endpoint does.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from shared.contracts.health import News, StandingLine
from shared.contracts.message import QueuedDelivery
from shared.errors import DependencyUnavailable
from shared.lifecycle import background, cancel
from shared.store.health import WebhookHealths
from shared.times import at

log = structlog.get_logger()

_LOOK_SECONDS = 0.15
_LOOKS_TO_TELL = 6  # then what was given away since is told
_SCOUT_SECONDS = 2.0
_LOWEST_PACE = 0.25  # slots a second, of an endpoint that answers nothing
_GROWTH = 1.1  # more than it answered lately; those that find out come on top
_LATELY_SECONDS = 10.0


@dataclass(slots=True)
class Line:
    """At one endpoint; times in seconds. `until`: the last slot given; `answers`: counted by all workers at `seen_at`.

    `scout_at`: when the next delivery goes to a worker.
    """

    until: float
    answers: int
    seen_at: float
    scout_at: float
    pace: float = _LOWEST_PACE

    @classmethod
    def of(cls, found: StandingLine, now: float) -> "Line":
        return cls(found.until.timestamp(), found.answers, now, now)

    def slot(self, now: float, longest: float) -> float | None:
        """The next, at most `longest` from now; None for one that shall go to a worker."""
        if now >= self.scout_at:
            self.scout_at = now + _SCOUT_SECONDS
            return None
        self.until = min(max(self.until, now) + 1 / self.pace, now + longest)
        return self.until

    def seen(self, found: StandingLine, now: float) -> None:
        """Workers put deliveries into it too, and the endpoint answers some."""
        self.until = max(self.until, found.until.timestamp())
        passed = max(now - self.seen_at, 0.001)
        answered = max(0, found.answers - self.answers) / passed
        self.pace += (_GROWTH * answered - self.pace) * min(1.0, passed / _LATELY_SECONDS)
        self.pace = max(self.pace, _LOWEST_PACE)
        self.answers, self.seen_at = found.answers, now


@dataclass(slots=True)
class Standing:
    """Deliveries, each with its slot by its id."""

    deliveries: list[QueuedDelivery] = field(default_factory=list)
    slots: dict[str, datetime] = field(default_factory=dict)

    def add(self, delivery: QueuedDelivery, slot: datetime) -> None:
        self.deliveries.append(delivery)
        self.slots[delivery.id] = slot

    def __bool__(self) -> bool:
        return bool(self.deliveries)


class Lines:
    """`clock`: the database's, in seconds since the epoch. Nobody stands in line for longer than `expire_after`."""

    def __init__(self, *, healths: WebhookHealths, clock: Callable[[], float], expire_after: timedelta) -> None:
        self._healths = healths
        self._clock = clock
        self._longest = expire_after.total_seconds()
        self._lines: dict[str, Line] = {}
        self._news: dict[str, News] = {}
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = background(self._run())

    async def stop(self, deadline: float) -> None:
        """What is left is told."""
        await cancel(self._running)
        await self._tell()

    def part(self, deliveries: Sequence[QueuedDelivery]) -> tuple[Sequence[QueuedDelivery], Standing]:
        """Those that go to workers, and those that stand in line."""
        standing = Standing()
        if not self._lines:
            return deliveries, standing
        now, others = self._clock(), []
        for delivery in deliveries:
            line = self._lines.get(delivery.webhook_id)
            if line and (slot := line.slot(now, self._longest)):
                standing.add(delivery, at(slot))
                self._about(delivery).deferred(at(slot))
            else:
                others.append(delivery)
        return others, standing

    def _about(self, delivery: QueuedDelivery) -> News:
        news = self._news.get(delivery.webhook_id)
        if news is None:
            news = self._news[delivery.webhook_id] = News(delivery.webhook_id, delivery.tenant_id)
        return news

    async def _run(self) -> None:
        while True:
            for _ in range(_LOOKS_TO_TELL):
                await asyncio.sleep(_LOOK_SECONDS)
                await self._look()
            await self._tell()

    async def _tell(self) -> None:
        """How far they reach, for whoever brings them forward."""
        news, self._news = self._news, {}
        try:
            await self._healths.save(news.values())
        except DependencyUnavailable as error:
            self._news = news | self._news  # the newer reaches further
            log.warning("lines.untold", error=str(error))

    async def _look(self) -> None:
        """See what others told."""
        try:
            found = await self._healths.lines()
        except DependencyUnavailable as error:
            log.warning("lines.unknown", error=str(error))
            return
        now = self._clock()
        for webhook_id, one in found.items():
            if line := self._lines.get(webhook_id):
                line.seen(one, now)
            else:
                self._lines[webhook_id] = Line.of(one, now)
        self._lines = {webhook_id: self._lines[webhook_id] for webhook_id in found}
