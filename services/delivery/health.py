"""Tells the store how endpoints do: what failed, what is open, until when deliveries stand in line.

Nothing here is promised: who dies takes a few seconds of it along.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from cachetools import TTLCache

from services.delivery import metrics
from services.delivery.gate import Gate
from shared.contracts.delivery import Attempt, Outcome
from shared.contracts.health import BreakerReport, News
from shared.contracts.message import QueuedDelivery
from shared.errors import DependencyUnavailable
from shared.lifecycle import background, cancel
from shared.store.health import BREAKER_STALE, WebhookHealths

log = structlog.get_logger()

EVERY = timedelta(seconds=2)
_URGENT_SECONDS = 0.03
_WELL = timedelta(seconds=60)
_IN_LINE = timedelta(seconds=60)
_REPEAT_OPEN = BREAKER_STALE / 3


class Health:
    """Of an endpoint that does well a success is told once a minute, all else within `EVERY`.

    That deliveries begin to stand in line is told at once: until fan-out knows it, each costs it a message.
    """

    def __init__(self, *, store: WebhookHealths, gate: Gate, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._gate = gate
        self._clock = clock
        self._worker = secrets.token_hex(4)
        self._news: dict[str, News] = {}
        self._well: TTLCache[str, None] = TTLCache(10_000, _WELL.total_seconds())
        self._in_line: TTLCache[str, None] = TTLCache(10_000, _IN_LINE.total_seconds())
        self._urgent = asyncio.Event()
        self._reported: dict[str, BreakerReport] = {}
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = background(self._run())

    async def stop(self, deadline: float) -> None:
        """What is left is told; breakers end with their worker."""
        await cancel(self._running)
        await self._tell(open_now={})

    def attempted(self, queued: QueuedDelivery, attempt: Attempt) -> None:
        if attempt.outcome is Outcome.SUCCEEDED:
            slow = self._gate.is_slow(queued.webhook_id)
            if slow or queued.webhook_id not in self._well:
                news = self._about(queued)
                news.succeeded(attempt.at)
                news.answers += slow
                self._well[queued.webhook_id] = None
        else:
            self._about(queued, unwell=True).failed(attempt)

    def deferred(self, queued: QueuedDelivery, until: datetime) -> None:
        self._about(queued, unwell=True).deferred(until)
        if queued.webhook_id not in self._in_line:
            self._in_line[queued.webhook_id] = None
            self._urgent.set()

    def slowed(self, queued: QueuedDelivery) -> None:
        self._about(queued, unwell=True).slowed(self._clock())

    def _about(self, queued: QueuedDelivery, *, unwell: bool = False) -> News:
        if unwell:
            self._well.pop(queued.webhook_id, None)
        news = self._news.get(queued.webhook_id)
        if news is None:
            news = self._news[queued.webhook_id] = News(queued.webhook_id, queued.tenant_id)
        return news

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY.total_seconds()):
                    await self._urgent.wait()
                    await asyncio.sleep(_URGENT_SECONDS)  # who follows is told along
            self._urgent.clear()
            await self._tell(open_now=self._open())

    def _open(self) -> dict[str, BreakerReport]:
        now = self._clock()
        return {
            webhook_id: BreakerReport(at=now, probe_at=now + timedelta(seconds=ahead))
            for webhook_id, ahead in self._gate.open_breakers()
        }

    async def _tell(self, *, open_now: dict[str, BreakerReport]) -> None:
        """An outage of the store costs this news: the next is as good. What breakers do is told again."""
        news, self._news = self._news, {}
        changed = {name: report for name, report in open_now.items() if self._is_new(name, report)}
        closed = self._reported.keys() - open_now.keys()
        self._measure(len(open_now))
        try:
            await self._store.save(news.values(), self._worker, changed, closed)
        except DependencyUnavailable as error:
            log.warning("health.untold", webhooks=len(news), error=str(error))
        else:
            self._reported = {name: changed.get(name) or self._reported[name] for name in open_now}

    def _measure(self, breakers: int) -> None:
        quick, slow = self._gate.load()
        metrics.BREAKERS_OPEN.set(breakers)
        metrics.IN_FLIGHT["quick"].set(quick)
        metrics.IN_FLIGHT["slow"].set(slow)

    def _is_new(self, webhook_id: str, report: BreakerReport) -> bool:
        """Also when the last report grows old: breakers of a worker that died are not believed for long."""
        last = self._reported.get(webhook_id)
        return last is None or report.at - last.at > _REPEAT_OPEN or report.probe_at - last.probe_at > EVERY
