"""What has arrived and is not yet handled: the next batch is all of it, up to a limit.

A lone event waits for nothing. Behind a larger batch the next one begins some milliseconds after that began, so that it
has company: that costs every part behind it less per event, and what is saved shortens the queues of a busy machine.
Behind one that took longer to hand over it begins at once: nobody waits twice.
"""

import asyncio

from services.fanout.downstream import Downstream
from shared.broker.consumer import Consumer, Message

_HAND_OVER_SECONDS = 0.006  # that most batches take
_GATHER_SECONDS = 0.001  # beyond that, for each that the last batch had beside the first
_LONGEST_GATHER_SECONDS = 0.034


class Inbox:
    """`most`: messages of one batch. While there is no room downstream there is no next one."""

    def __init__(self, *, consumer: Consumer, downstream: Downstream, most: int) -> None:
        self._consumer = consumer
        self._downstream = downstream
        self._most = most
        self._arrived: asyncio.Queue[Message] = asyncio.Queue()
        self._next_at = 0.0  # by the loop's clock

    async def start(self) -> None:
        await self._consumer.start(self._arrived.put_nowait)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def next_batch(self) -> list[Message]:
        loop = asyncio.get_running_loop()
        batch = [await self._arrived.get()]
        pause = self._next_at - loop.time() if self._arrived.qsize() < self._most else 0
        await asyncio.gather(asyncio.sleep(pause), self._downstream.room())
        while len(batch) < self._most and not self._arrived.empty():
            batch.append(self._arrived.get_nowait())
        self._next_at = loop.time() + beat(len(batch))
        return batch


def beat(size: int) -> float:
    """Seconds from the beginning of a batch of so many messages to that of the next; none behind a lone one."""
    if size == 1:
        return 0.0
    return _HAND_OVER_SECONDS + min((size - 1) * _GATHER_SECONDS, _LONGEST_GATHER_SECONDS)
