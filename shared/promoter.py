"""Promotes in the background, so that nobody waits for it: what is named meanwhile is the next promotion's."""

import asyncio
from collections.abc import Iterable

from shared.lifecycle import background, cancel
from shared.promotion import Promotion
from shared.retry import keep_trying


class Promoter:
    def __init__(self, promotion: Promotion) -> None:
        self._promotion = promotion
        self._named: set[str] = set()
        self._running: asyncio.Task[None] | None = None

    def soon(self, webhook_ids: Iterable[str]) -> None:
        """The next delivery of each, if it is not handed over yet."""
        self._named.update(webhook_ids)
        if self._named and self._running is None:
            self._running = background(self._run())

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self, deadline: float) -> None:
        """What is not handed over by the deadline a scheduler finds."""
        if self._running:
            await asyncio.wait([self._running], timeout=max(0.1, deadline - asyncio.get_running_loop().time()))
        await cancel(self._running)

    async def _run(self) -> None:
        while self._named:
            named, self._named = self._named, set()
            await keep_trying(lambda: self._promotion.promote(named))  # noqa: B023 - awaited in this turn
        self._running = None
