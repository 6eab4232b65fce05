"""What has arrived and is not yet handled: the next batch is all of it, up to a limit, without waiting for more."""

import asyncio

import structlog

from shared.broker.consumer import Consumer, Message
from shared.broker.publisher import Publisher
from shared.broker.topology import AGAIN, DELIVERIES
from shared.retry import keep_trying

log = structlog.get_logger()

_LOOK_SECONDS = 1


class Inbox:
    """`most`: messages of one batch. While a delivery queue is deeper than `depth_limit` there is no next batch."""

    def __init__(self, *, consumer: Consumer, publisher: Publisher, most: int, depth_limit: int) -> None:
        self._consumer = consumer
        self._publisher = publisher
        self._most = most
        self._depth_limit = depth_limit
        self._arrived: asyncio.Queue[Message] = asyncio.Queue()
        self._looked = 0.0

    async def start(self) -> None:
        await self._consumer.start(self._arrived.put_nowait)

    async def pause(self) -> None:
        await self._consumer.pause()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def next_batch(self) -> list[Message]:
        batch = [await self._arrived.get()]
        await self._room_downstream()
        while len(batch) < self._most and not self._arrived.empty():
            batch.append(self._arrived.get_nowait())
        return batch

    async def _room_downstream(self) -> None:
        """At most one look a second: the limit is a size, not a count."""
        now = asyncio.get_running_loop().time()
        if now - self._looked < _LOOK_SECONDS:
            return
        while (depth := await keep_trying(self._deepest)) > self._depth_limit:
            log.info("fanout.waiting", delivery_messages=depth)
            await asyncio.sleep(_LOOK_SECONDS)
        self._looked = asyncio.get_running_loop().time()

    async def _deepest(self) -> int:
        return max(await self._publisher.depth(DELIVERIES), await self._publisher.depth(AGAIN))
