"""Figures as pages draw them: of a window that ends now, hour by hour, with those that had none."""

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
_HOUR = timedelta(hours=1)


class Period(StrEnum):
    """How long the window is. A month of a busy webhook would take the database a third of a second."""

    DAY = "24h"
    WEEK = "7d"

    @property
    def hours(self) -> int:
        return {Period.DAY: 24, Period.WEEK: 7 * 24}[self]

    def begins(self, now: datetime) -> list[datetime]:
        """Of each hour; the last one is under way."""
        return [floor(now) - number * _HOUR for number in reversed(range(self.hours))]


@dataclass(frozen=True, slots=True)
class Chart:
    """What became of the deliveries of each hour, and of all together."""

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
        by_hour: defaultdict[datetime, list[Sums]] = defaultdict(list)  # several when there are several tenants
        for document in documents:
            by_hour[document["hour"]].append(Sums.of(document))
        hours = [Sums.together(by_hour[begin]) for begin in begins]
        return Chart(
            period,
            [HourStats.of_sums(sums, begin, webhook_id) for sums, begin in zip(hours, begins, strict=True)],
            HourStats.of_sums(Sums.together(hours), begins[0], webhook_id),
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
        return await self._stats.lately(tenant_ids, floor(self._clock()) - _HOUR)

    def _oldest_waiting(self, now: datetime) -> datetime:
        return floor(now - self._expire_after)


def floor(moment: datetime) -> datetime:
    """The hour that it is in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _recent(hours: Mapping[datetime, Counts], begins: Sequence[datetime]) -> Recent:
    waiting = sum(counts.waiting for counts in hours.values())
    return Recent([hours.get(begin, Counts()) for begin in begins], waiting)
