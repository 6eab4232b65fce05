"""What has arrived and is not yet handled: the next batch is all of it, up to a limit.

A lone event waits for nothing. Behind a larger batch the next waits some milliseconds for company: that costs every
part behind it less per event, and what is saved shortens the queues of a busy machine.
"""

import asyncio

from services.fanout.downstream import Downstream
from shared.broker.consumer import Consumer, Message

_GATHER_SECONDS = 0.001  # for each that the last batch had beside the first
_LONGEST_GATHER_SECONDS = 0.024


class Inbox:
    """`most`: messages of one batch. While there is no room downstream there is no next one."""

    def __init__(self, *, consumer: Consumer, downstream: Downstream, most: int) -> None:
        self._consumer = consumer
        self._downstream = downstream
        self._most = most
        self._arrived: asyncio.Queue[Message] = asyncio.Queue()
        self._last_size = 1

    async def start(self) -> None:
        await self._consumer.start(self._arrived.put_nowait)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def next_batch(self) -> list[Message]:
        batch = [await self._arrived.get()]
        if self._last_size > 1 and self._arrived.qsize() < self._most:
            await asyncio.sleep(min((self._last_size - 1) * _GATHER_SECONDS, _LONGEST_GATHER_SECONDS))
        await self._downstream.room()
        while len(batch) < self._most and not self._arrived.empty():
            batch.append(self._arrived.get_nowait())
        self._last_size = len(batch)
        return batch
