"""The workers' queues of fresh deliveries, as fan-out sees them: is there room, and who goes through which.

Through `deliveries` goes everything while the workers keep up. Once they do not, deliveries of tenants above their
share go through `deliveries.bulk`, of which a worker takes little as long as there are others: so they wait for each
other, and nobody else for them.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import structlog

from services.fanout import metrics
from services.fanout.fairness import Fairness
from shared.broker.publisher import Publisher
from shared.broker.topology import BULK, DELIVERIES
from shared.contracts.message import QueuedDelivery
from shared.handover import HandOver
from shared.retry import keep_trying

log = structlog.get_logger()

_LOOK_SECONDS = 1
_SHORT = 32
"""Messages that two workers have taken within a second."""


class Downstream:
    """`depth_limit`, `bulk_limit`: messages in either queue above which there is no room."""

    def __init__(
        self, *, publisher: Publisher, hand_over: HandOver, fairness: Fairness, depth_limit: int, bulk_limit: int
    ) -> None:
        self._publisher = publisher
        self._hand_over = hand_over
        self._fairness = fairness
        self._limits = {DELIVERIES: depth_limit, BULK: bulk_limit}
        self._short = min(_SHORT, depth_limit // 4)
        self._seen: int | None = None

    async def room(self) -> None:
        """Returns once there is some. A full `deliveries.bulk` matters only while something might have to go there."""
        self._seen = await self._depth(DELIVERIES)
        while self._seen > self._short and (full := await self._full(self._seen)):
            log.info("fanout.waiting", queue=full)
            await asyncio.sleep(_LOOK_SECONDS)
            self._seen = await self._depth(DELIVERIES)

    async def _full(self, depth: int) -> str | None:
        if depth > self._limits[DELIVERIES]:
            return DELIVERIES
        return BULK if await self._depth(BULK) > self._limits[BULK] else None

    async def first(self, deliveries: Iterable[QueuedDelivery], handed_at: datetime) -> None:
        """Hand over deliveries at turn 1."""
        fresh = list(deliveries)
        self._fairness.count(Counter(delivery.tenant_id for delivery in fresh), handed_at.timestamp())
        above = frozenset() if await self._is_short() else self._fairness.above_share()
        bulk = [delivery for delivery in fresh if delivery.tenant_id in above]
        await self._hand_over.first((delivery for delivery in fresh if delivery.tenant_id not in above), handed_at)
        if bulk:
            await self._hand_over.first(bulk, handed_at, BULK)
            metrics.IN_BULK.inc(len(bulk))

    async def _is_short(self) -> bool:
        """As `room` has just seen it, for a batch's first deliveries; a large batch alone may make it long."""
        seen, self._seen = self._seen, None
        if seen is None:
            seen = await self._depth(DELIVERIES)
        return seen <= self._short

    async def _depth(self, queue: str) -> int:
        return await keep_trying(lambda: self._publisher.depth(queue))
