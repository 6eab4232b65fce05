"""What has arrived and is not yet handled: the next batch is all of it, up to a limit.

A lone event waits for nothing. While workers have more queued than they hold, going on at once would only make many
small batches of what has to queue anyway; so then a batch waits a few milliseconds, and costs less per event.
"""

import asyncio

import structlog

from shared.broker.consumer import Consumer, Message
from shared.broker.publisher import Publisher
from shared.broker.topology import DELIVERIES
from shared.retry import keep_trying

log = structlog.get_logger()

_LOOK_SECONDS = 1
_GATHER_SECONDS = 0.01
_GATHER_TIMES = 2


class Inbox:
    """`most`: messages of one batch. While fresh deliveries queue deeper than `depth_limit` there is no next batch."""

    def __init__(self, *, consumer: Consumer, publisher: Publisher, most: int, depth_limit: int) -> None:
        self._consumer = consumer
        self._publisher = publisher
        self._most = most
        self._depth_limit = depth_limit
        self._arrived: asyncio.Queue[Message] = asyncio.Queue()

    async def start(self) -> None:
        await self._consumer.start(self._arrived.put_nowait)

    async def pause(self) -> None:
        await self._consumer.pause()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def next_batch(self) -> list[Message]:
        batch = [await self._arrived.get()]
        await self._gather()
        while len(batch) < self._most and not self._arrived.empty():
            batch.append(self._arrived.get_nowait())
        return batch

    async def _gather(self) -> None:
        """Returns at once when the workers would take what we have."""
        for _ in range(_GATHER_TIMES):
            depth = await self._room_downstream()
            if depth == 0 or self._arrived.qsize() >= self._most:
                return
            await asyncio.sleep(_GATHER_SECONDS)

    async def _room_downstream(self) -> int:
        """Fresh messages queued for the workers, once they are fewer than the limit."""
        while (depth := await keep_trying(lambda: self._publisher.depth(DELIVERIES))) > self._depth_limit:
            log.info("fanout.waiting", delivery_messages=depth)
            await asyncio.sleep(_LOOK_SECONDS)
        return depth
