"""Looks at ordered webhooks from time to time: whoever was to hand over their next delivery may have died before."""

import asyncio
from datetime import timedelta

from shared.lifecycle import background, cancel
from shared.promotion import Promotion
from shared.retry import keep_trying
from shared.store.mongo import Mongo
from shared.store.orders import Orders

_AT_ONCE = 100


class OrderWatch:
    """`poll`: longest time between two looks at which webhooks are due for one."""

    def __init__(self, *, mongo: Mongo, orders: Orders, promotion: Promotion, poll: timedelta) -> None:
        self._mongo = mongo
        self._orders = orders
        self._promotion = promotion
        self._poll = poll
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = background(self._run())

    async def stop(self, deadline: float) -> None:
        """What was claimed and not published is found as lost by the next scheduler."""
        await cancel(self._running)

    async def _run(self) -> None:
        await self._mongo.ready()
        while True:
            if not await keep_trying(self.run_once):
                await asyncio.sleep(self._poll.total_seconds())

    async def run_once(self) -> bool:
        """One look at all that are due for it, up to a number; True when there may be more."""
        due = await self._orders.due(_AT_ONCE)
        if due:
            living = await self._promotion.promote([order["_id"] for order in due])
            await self._orders.looked(due, living)
        return len(due) == _AT_ONCE
