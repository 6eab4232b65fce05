"""Looks through a queue: takes its messages without acking, so that all that is not acked goes back where it was."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel as RawChannel
from aiormq.abc import DeliveredMessage

from shared.broker.connection import SETUP_SECONDS, connect, declare, raw_channel, unavailable_if_gone
from shared.broker.consumer import Message, message_of
from shared.errors import DependencyUnavailable

log = structlog.get_logger()

GROUP = 100
"""Messages that are in our memory at once."""
_ORDERED = 32
_QUIET_SECONDS = 2
_RETURN_SECONDS = 2


class Browser:
    """`async with`: messages are out from when they are first asked for until the end, and others wait for them."""

    def __init__(self, *, url: str, name: str, queue: str, group: int = GROUP) -> None:
        self._url = url
        self._name = name
        self._queue = queue
        self._most_at_once = group
        self._arrived: asyncio.Queue[Message | None] = asyncio.Queue()
        self._out: dict[int, int] = {}  # tags, with the number of the group that each came in
        self._group = 0
        self._left = 0
        self._taking = False
        self._connection: AbstractConnection | None = None
        self._channel: RawChannel

    async def __aenter__(self) -> Self:
        """Raises DependencyUnavailable; StartupError for a queue that cannot be used."""
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def _open(self) -> None:
        async with unavailable_if_gone(), asyncio.timeout(SETUP_SECONDS):
            self._connection = await connect(self._url, f"{self._name} browser of {self._queue}")
            await declare(self._connection)
            channel = self._connection.channel(publisher_confirms=False)
            await channel.initialize()
            self._keep = channel  # aio-pika closes a channel that nobody holds
            channel.close_callbacks.add(self._lost)
            self._channel = await raw_channel(channel)
            self._channel.on_consumer_cancel_callbacks.add(self._lost)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is still out goes back, at worst by the end of the connection."""
        try:
            if not self._taking:  # else what is given back would come again at once
                await self._give_back()
        except DependencyUnavailable as failed:
            log.info("broker.browser_ended_early", queue=self._queue, error=str(failed))
        finally:
            await self._close()

    async def depth(self) -> int:
        """Messages that nobody holds. Raises DependencyUnavailable."""
        async with unavailable_if_gone(), asyncio.timeout(SETUP_SECONDS):
            answer = await self._channel.queue_declare(self._queue, passive=True)
        return answer.message_count or 0

    async def groups(self, most: int | None = None) -> AsyncIterator[list[Message]]:
        """All that is there when this begins, oldest first, or the first `most`. Raises DependencyUnavailable.

        Who does not look at all of them may put those behind others that were looked at before; see `_give_back`.
        """
        there = await self.depth()
        self._left = there if most is None else min(there, most)
        while group := await self._next_group():
            yield group

    def enough(self) -> None:
        """What was not taken by now stays where it is."""
        self._left = 0

    async def ack(self, message: Message) -> None:
        """It is gone for good. Raises DependencyUnavailable, and then it may still be there."""
        async with unavailable_if_gone():
            await self._channel.basic_ack(message.tag)
        del self._out[message.tag]

    async def _next_group(self) -> list[Message]:
        group = await self._take(min(self._most_at_once, self._left)) if self._left else []
        self._left = self._left - len(group) if group else 0
        return group

    async def _take(self, number: int) -> list[Message]:
        """By a consumer that may have so many and no more; fewer when others took them first."""
        self._taking = True
        self._group += 1
        async with unavailable_if_gone(), asyncio.timeout(SETUP_SECONDS):
            await self._channel.basic_qos(prefetch_count=number)
            consuming = await self._channel.basic_consume(self._queue, self._take_one)
        group: list[Message] = []
        while len(group) < number and (message := await self._next()):
            group.append(message)
        async with unavailable_if_gone(), asyncio.timeout(SETUP_SECONDS):
            await self._channel.basic_cancel(consuming.consumer_tag or "")
        self._taking = False
        return group

    async def _take_one(self, raw: DeliveredMessage) -> None:
        if message := message_of(raw):
            self._out[message.tag] = self._group
            self._arrived.put_nowait(message)

    async def _next(self) -> Message | None:
        """None when there are no more."""
        while True:
            try:
                message = await asyncio.wait_for(self._arrived.get(), _QUIET_SECONDS)
            except TimeoutError:
                if await self.depth() == 0 and self._arrived.empty():
                    return None
                continue
            if message is None:
                raise DependencyUnavailable("RabbitMQ: the connection ended")
            return message

    async def _give_back(self) -> None:
        """In their order, and so that the next to look finds them there.

        What a quorum queue gets back goes behind what it got back before. So we take what we did not look at, too.
        """
        while await self._next_group():
            pass
        there = await self.depth() if self._out else 0
        for tags in self._few_at_once():
            async with unavailable_if_gone(), asyncio.timeout(_RETURN_SECONDS):
                await self._channel.basic_nack(tags[-1], multiple=True, requeue=True)
                there = await self._grown_to(there + len(tags))

    def _few_at_once(self) -> Iterator[list[int]]:
        """Tags of one group, as few as a quorum queue returns in their order. It may join what is not yet done."""
        groups: dict[int, list[int]] = {}
        for tag, group in self._out.items():
            groups.setdefault(group, []).append(tag)
        for tags in groups.values():
            for first in range(0, len(tags), _ORDERED):
                yield tags[first : first + _ORDERED]

    async def _grown_to(self, depth: int) -> int:
        while True:
            if (there := await self.depth()) >= depth:
                return there

    def _lost(self, *_: Any) -> None:
        self._arrived.put_nowait(None)

    async def _close(self) -> None:
        if self._connection is None:
            return
        try:
            async with unavailable_if_gone(), asyncio.timeout(2):
                await self._connection.close()
        except DependencyUnavailable as error:
            log.debug("broker.close_failed", error=str(error))
