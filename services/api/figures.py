"""Figures as pages draw them: of a window that ends now, hour by hour or day by day, with those that had none."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.contracts.counts import Counts
from shared.contracts.stats import HourStats, Sums
from shared.store.events import Events
from shared.store.stats_of_many import StatsOfMany

EVENTS_COUNTED = 5_000
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


class Period(StrEnum):
    """How long the window is."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "31d"

    @property
    def step(self) -> timedelta:
        return _DAY if self is Period.MONTH else _HOUR

    @property
    def steps(self) -> int:
        return {Period.DAY: 24, Period.WEEK: 7 * 24, Period.MONTH: 31}[self]

    def begins(self, now: datetime) -> list[datetime]:
        """Of each step; the last one is under way."""
        last = floor(now, self.step)
        return [last - number * self.step for number in reversed(range(self.steps))]


@dataclass(frozen=True, slots=True)
class Chart:
    """What became of the deliveries of each step, and of all together."""

    period: Period
    rows: Sequence[HourStats]
    total: HourStats


@dataclass(frozen=True, slots=True)
class Recent:
    """A webhook's last 24 hours, oldest first, and how many of its deliveries wait."""

    hours: Sequence[Counts]
    waiting: int

    @property
    def total(self) -> Counts:
        return sum(self.hours, Counts())


class FigureService:
    """Whose figures they are is checked by whoever names the webhooks or tenants.

    `expire_after`: older deliveries do not wait any more.
    """

    def __init__(
        self, *, stats: StatsOfMany, events: Events, expire_after: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._stats = stats
        self._events = events
        self._expire_after = expire_after
        self._clock = clock

    async def events_lately(self, tenant_ids: Sequence[str]) -> int:
        """Of these tenants together in the last hour, up to `EVENTS_COUNTED`."""
        return await self._events.count(tenant_ids, self._clock() - _HOUR, EVENTS_COUNTED)

    async def chart(self, tenant_ids: Iterable[str], webhook_id: str | None, period: Period) -> Chart:
        """Of one webhook, or of all of these tenants together."""
        now = self._clock()
        begins = period.begins(now)
        documents = await self._stats.documents(tenant_ids, webhook_id, begins[0], now)
        by_step: defaultdict[datetime, list[Sums]] = defaultdict(list)
        for document in documents:
            by_step[floor(document["hour"], period.step)].append(Sums.of(document))
        steps = [Sums.together(by_step[begin]) for begin in begins]
        return Chart(
            period,
            [HourStats.of_sums(sums, begin, webhook_id) for sums, begin in zip(steps, begins, strict=True)],
            HourStats.of_sums(Sums.together(steps), begins[0], webhook_id),
        )

    async def recent(self, webhook_ids: Sequence[str], *, all_waiting: bool = True) -> Mapping[str, Recent]:
        """Of each, in one query. Not `all_waiting`: of those made in these hours only, which is a third to read."""
        now = self._clock()
        begins = Period.DAY.begins(now)
        since = min(begins[0], self._oldest_waiting(now)) if all_waiting else begins[0]
        found = await self._stats.of_webhooks(webhook_ids, since, now, whole_from=begins[0])
        return {webhook_id: _recent(found.get(webhook_id, {}), begins) for webhook_id in webhook_ids}

    async def waiting(self, tenant_ids: Iterable[str]) -> int:
        """Of all deliveries of these tenants."""
        now = self._clock()
        return (await self._stats.total(tenant_ids, self._oldest_waiting(now), now)).waiting

    async def lately(self, tenant_ids: Sequence[str]) -> Mapping[str, Counts]:
        """Of each webhook that had deliveries in this hour or the one before."""
        return await self._stats.lately(tenant_ids, floor(self._clock(), _HOUR) - _HOUR)

    def _oldest_waiting(self, now: datetime) -> datetime:
        return floor(now - self._expire_after, _HOUR)


def floor(moment: datetime, step: timedelta) -> datetime:
    """The hour, or the day in UTC, that it is in."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour.replace(hour=0) if step == _DAY else hour


def _recent(hours: Mapping[datetime, Counts], begins: Sequence[datetime]) -> Recent:
    waiting = sum(counts.waiting for counts in hours.values())
    return Recent([hours.get(begin, Counts()) for begin in begins], waiting)
