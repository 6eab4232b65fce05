"""What has arrived and is not yet handled: the next batch is all of it, up to a limit.

A lone event waits for nothing. Behind a batch that had company the next waits a few milliseconds for its own: a
larger batch costs every part behind it less per event, and what is saved shortens the queues of a busy machine.
"""

import asyncio

import structlog

from shared.broker.consumer import Consumer, Message
from shared.broker.publisher import Publisher
from shared.broker.topology import DELIVERIES
from shared.retry import keep_trying

log = structlog.get_logger()

_LOOK_SECONDS = 1
_COMPANY = 10
_GATHER_SECONDS = 0.008


class Inbox:
    """`most`: messages of one batch. While fresh deliveries queue deeper than `depth_limit` there is no next batch."""

    def __init__(self, *, consumer: Consumer, publisher: Publisher, most: int, depth_limit: int) -> None:
        self._consumer = consumer
        self._publisher = publisher
        self._most = most
        self._depth_limit = depth_limit
        self._arrived: asyncio.Queue[Message] = asyncio.Queue()
        self._last_size = 0

    async def start(self) -> None:
        await self._consumer.start(self._arrived.put_nowait)

    async def pause(self) -> None:
        await self._consumer.pause()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def next_batch(self) -> list[Message]:
        batch = [await self._arrived.get()]
        if self._last_size >= _COMPANY and self._arrived.qsize() < self._most:
            await asyncio.sleep(_GATHER_SECONDS)
        await self._room_downstream()
        while len(batch) < self._most and not self._arrived.empty():
            batch.append(self._arrived.get_nowait())
        self._last_size = len(batch)
        return batch

    async def _room_downstream(self) -> None:
        """Returns once fewer messages than the limit are queued for the workers."""
        while (depth := await keep_trying(lambda: self._publisher.depth(DELIVERIES))) > self._depth_limit:
            log.info("fanout.waiting", delivery_messages=depth)
            await asyncio.sleep(_LOOK_SECONDS)
