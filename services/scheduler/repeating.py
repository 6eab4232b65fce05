"""A duty of the scheduler: one look, a pause, and again, for as long as the process lives."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from shared.lifecycle import background, cancel
from shared.retry import keep_trying
from shared.store.mongo import Mongo


class Repeating:
    """`look` answers whether there may be more: then it is not paused for `pause`."""

    def __init__(self, mongo: Mongo, look: Callable[[], Awaitable[bool | None]], pause: timedelta) -> None:
        self._mongo = mongo
        self._look = look
        self._pause = pause
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = background(self._run())

    async def stop(self, deadline: float) -> None:
        """In the middle of a look if need be: what it leaves, the next scheduler finds, as after a crash."""
        await cancel(self._running)

    async def _run(self) -> None:
        await self._mongo.ready()
        while True:
            if not await keep_trying(self._look):
                await asyncio.sleep(self._pause.total_seconds())
