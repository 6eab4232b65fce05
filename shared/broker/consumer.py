"""Takes messages from one queue and keeps taking after every kind of disconnection."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel as RawChannel
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from shared import metrics
from shared.broker.connection import (
    SETUP_SECONDS,
    connect,
    declare_again,
    raw_channel,
    unavailable_if_gone,
)
from shared.errors import DependencyUnavailable
from shared.lifecycle import background, cancel
from shared.retry import keep_trying

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Message:
    """One AMQP message as taken. Settled at most once, on the channel it came by."""

    body: bytes
    headers: Mapping[str, Any]
    message_id: str | None
    routing_key: str
    redelivered: bool
    tag: int
    channel: RawChannel
    timestamp: float | None = None  # as its publisher says, in whole seconds since the epoch


class Consumer:
    """A queue's messages, handed over as they arrive; at most `prefetch` are out at once."""

    def __init__(self, *, url: str, name: str, queue: str, prefetch: int) -> None:
        self.queue = queue
        self._url = url
        self._name = name
        self._prefetch = prefetch
        self._on_message: Callable[[Message], None]
        self._stopping = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._connection: AbstractConnection | None = None
        self._channel: RawChannel | None = None
        self._tag = ""

    async def start(self, on_message: Callable[[Message], None]) -> None:
        self._on_message = on_message
        self._running = background(self._run())

    async def check(self) -> None:
        if not self._channel or self._channel.is_closed:
            raise DependencyUnavailable(f"not consuming {self.queue!r}")

    async def pause(self) -> None:
        """Stop taking for good; what was taken can still be acked."""
        self._stopping.set()
        if self._channel and not self._channel.is_closed:
            try:
                async with unavailable_if_gone(), asyncio.timeout(2):
                    await self._channel.basic_cancel(self._tag)
            except DependencyUnavailable as error:
                log.debug("broker.cancel_failed", queue=self.queue, error=repr(error))

    async def stop(self) -> None:
        """What was taken and not acked goes back to the queue."""
        self._stopping.set()
        await cancel(self._running)
        if self._connection:
            await _close(self._connection)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                lost = await keep_trying(self._open, self._stopping)
            except DependencyUnavailable:
                return
            await lost.wait()
            log.warning("broker.consumer_lost", queue=self.queue)
            metrics.RECONNECTS.inc()

    async def _open(self) -> asyncio.Event:
        """Connect and consume; the event is set when that connection or channel is gone."""
        if self._connection:
            await _close(self._connection)
        lost = asyncio.Event()
        async with unavailable_if_gone(), asyncio.timeout(SETUP_SECONDS):
            self._connection = await connect(self._url, f"{self._name} consumer of {self.queue}")
            await declare_again(self._connection)
            channel = self._connection.channel(publisher_confirms=False)
            await channel.initialize()
            await channel.set_qos(prefetch_count=self._prefetch)
            self._keep = channel  # aio-pika closes a channel that nobody holds
            channel.close_callbacks.add(lambda *_: lost.set())
            self._connection.close_callbacks.add(lambda *_: lost.set())
            self._channel = await raw_channel(channel)
            self._channel.on_consumer_cancel_callbacks.add(lambda *_: lost.set())
            answer = await self._channel.basic_consume(self.queue, self._take)
            self._tag = answer.consumer_tag or ""
        log.info("broker.consuming", queue=self.queue)
        return lost

    async def _take(self, raw: DeliveredMessage) -> None:
        if message := message_of(raw):
            self._on_message(message)


def message_of(raw: DeliveredMessage) -> Message | None:
    """None for what is no delivery to a consumer."""
    if not isinstance(raw.delivery, Basic.Deliver):
        return None
    properties = raw.header.properties
    return Message(
        body=raw.body,
        headers=properties.headers or {},
        message_id=properties.message_id or None,
        routing_key=raw.delivery.routing_key or "",
        redelivered=bool(raw.delivery.redelivered),
        tag=raw.delivery.delivery_tag or 0,
        channel=raw.channel,
        timestamp=properties.timestamp.timestamp() if properties.timestamp else None,
    )


async def ack(message: Message) -> None:
    """On a channel that is gone this does nothing: the message comes again and is recognised."""
    await _settle(message.channel, message.tag, multiple=False)


async def ack_up_to(messages: Iterable[Message]) -> None:
    """Ack every message taken so far by the channels of `messages`, up to the last of each."""
    last: dict[RawChannel, int] = {}
    for message in messages:
        last[message.channel] = max(message.tag, last.get(message.channel, 0))
    for channel, tag in last.items():
        await _settle(channel, tag, multiple=True)


async def _settle(channel: RawChannel, tag: int, *, multiple: bool) -> None:
    try:
        async with unavailable_if_gone():
            await channel.basic_ack(tag, multiple=multiple, wait=False)
    except DependencyUnavailable as error:
        log.info("broker.ack_lost", error=repr(error))


async def give_back(message: Message) -> None:
    """Return a message to its queue; past the delivery limit the broker parks it."""
    try:
        async with unavailable_if_gone():
            await message.channel.basic_nack(message.tag, requeue=True, wait=False)
    except DependencyUnavailable as error:
        log.info("broker.nack_lost", error=repr(error))


async def _close(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(2):
            await connection.close()
    except Exception as error:  # a dead connection has nothing left to lose
        log.debug("broker.close_failed", error=repr(error))
