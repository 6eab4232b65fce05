"""How a tenant does at a glance: its last day, what waits, its busiest webhooks and its sickest."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from services.api.figures import Chart, FigureService, Period, Recent
from shared.contracts.counts import Counts
from shared.contracts.health import BreakerState
from shared.contracts.webhook import WebhookAnswer
from shared.store.backlog import Backlog, Due
from shared.store.health import WebhookHealths
from shared.store.keys import ApiKey
from shared.store.webhook_ids import WebhookIds
from shared.store.webhooks import Webhooks

MOST_TENANTS, MOST_WEBHOOKS = 10, 1_000
"""Of more than these together no figures are made: that would be work without end."""
_SHOWN = 5
_FEW = 20  # waiting, one of so many
_CANDIDATES = 2 * _SHOWN


@dataclass(frozen=True, slots=True)
class Ranked:
    """A webhook, with its last 24 hours."""

    webhook: WebhookAnswer
    recent: Recent


@dataclass(frozen=True, slots=True)
class Overview:
    """`chart` None: there are too many tenants to put together. `due`: of all tenants, for the operator alone."""

    chart: Chart | None
    events: int
    waiting: int
    busiest: Sequence[Ranked]
    sickest: Sequence[Ranked]
    due: Sequence[Due]


class OverviewService:
    """A tenant sees only its own; the operator's key, which has no tenant, all of them together if they are few."""

    def __init__(
        self, *, figures: FigureService, webhooks: Webhooks, ids: WebhookIds, healths: WebhookHealths, backlog: Backlog
    ) -> None:
        self._figures = figures
        self._webhooks = webhooks
        self._ids = ids
        self._healths = healths
        self._backlog = backlog

    async def of(self, key: ApiKey) -> Overview:
        due = [] if key.tenant_id else await self._backlog.by_due_time()
        tenants = [key.tenant_id] if key.tenant_id else await self._ids.few_tenants(MOST_TENANTS, MOST_WEBHOOKS)
        if tenants is None:
            sickest = await self._ranked(await self._healths.worst_of_all(_CANDIDATES))
            return Overview(None, 0, 0, [], _first(sickest, _sickness), due)
        chart, events, waiting, (busiest, sickest) = await asyncio.gather(
            self._figures.chart(tenants, None, Period.DAY),
            self._figures.events_lately(tenants),
            self._figures.waiting(tenants),
            self._ranks(tenants),
        )
        return Overview(chart, events, waiting, busiest, sickest, due)

    async def _ranks(self, tenants: Sequence[str]) -> tuple[list[Ranked], list[Ranked]]:
        """By the last 24 hours; candidates are whoever stands out in the last two, or has failures now.

        To read a day of a thousand webhooks takes the database a third of a second, of two hours a tenth of that.
        """
        lately, ids = await asyncio.gather(self._figures.lately(tenants), self._ids.of_tenants(tenants))
        failing = await self._healths.worst(ids, _CANDIDATES)
        busy = _top(lately, lambda counts: counts.created)
        troubled = _top(lately, lambda counts: counts.dead + counts.waiting)
        candidates = await self._ranked(dict.fromkeys(chain(busy, troubled, failing)), set(tenants))
        return _first(candidates, lambda one: one.recent.total.created), _first(candidates, _sickness)

    async def _ranked(self, ids: Iterable[str], tenants: set[str] | None = None) -> list[Ranked]:
        """Those that were not deleted by now."""
        found = [one for one in await self._webhooks.some(ids) if tenants is None or one.tenant_id in tenants]
        names = [one.id for one in found]
        healths, recents = await asyncio.gather(self._healths.of(names), self._figures.recent(names, all_waiting=False))
        return [Ranked(WebhookAnswer.of(one, healths[one.id]), recents[one.id]) for one in found]


def _top(figures: Mapping[str, Counts], by: Callable[[Counts], int]) -> list[str]:
    wanted = sorted((name for name in figures if by(figures[name])), key=lambda name: -by(figures[name]))
    return wanted[:_CANDIDATES]


def _first(candidates: Iterable[Ranked], by: Callable[[Ranked], int]) -> list[Ranked]:
    """Those with most of it; none that have nothing of it."""
    return sorted((one for one in candidates if by(one)), key=lambda one: (-by(one), one.webhook.id))[:_SHOWN]


def _sickness(one: Ranked) -> int:
    """Deliveries that ended dead or pile up, failures since the last success; an open breaker before all of these.

    Nothing is sent to an inactive one, and nobody waits for it to be well. That a few wait is no trouble.
    """
    total, health = one.recent.total, one.webhook.health
    if not one.webhook.is_active:
        return 0
    open_breaker = health.breaker is not BreakerState.CLOSED
    piled_up = total.waiting if _FEW * total.waiting > total.created else 0
    return total.dead + piled_up + health.failures + open_breaker * 10**9
