"""Publishes and says so only when a majority of the broker's disks has it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel as RawChannel
from pamqp.commands import Basic

from shared import metrics
from shared.broker.connection import SETUP_SECONDS, connect, declare_again, raw_channel, unavailable_if_gone
from shared.errors import DependencyUnavailable

log = structlog.get_logger()
_PERSISTENT = 2


class Publisher:
    """One connection for publishing only, made when first needed and again whenever it was lost."""

    def __init__(self, *, url: str, name: str, timeout_seconds: float) -> None:
        self._url = url
        self._name = name
        self._timeout = timeout_seconds
        self._connection: AbstractConnection | None = None
        self._channel: RawChannel | None = None
        self._connecting = asyncio.Lock()

    async def start(self) -> None:
        """Nothing to wait for: the first publish connects."""

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        headers: Mapping[str, Any] | None = None,
        message_id: str | None = None,
    ) -> None:
        """Persistent, mandatory, confirmed. Raises DependencyUnavailable; then it may have arrived all the same."""
        properties = Basic.Properties(
            delivery_mode=_PERSISTENT,
            content_type="application/json",
            headers=dict(headers) if headers else None,
            message_id=message_id,
        )
        async with self._in_use() as channel:
            confirmation = await channel.basic_publish(
                body,
                exchange=exchange,
                routing_key=routing_key,
                properties=properties,
                mandatory=True,
                timeout=self._timeout,
            )
        if not isinstance(confirmation, Basic.Ack):
            raise DependencyUnavailable(f"RabbitMQ did not take a message for {routing_key!r}: {confirmation!r:.100}")

    async def depth(self, queue: str) -> int:
        """Messages ready in a queue. Raises DependencyUnavailable."""
        return (await self.counted(queue))[0]

    async def counted(self, queue: str) -> tuple[int, int]:
        """Messages ready in a queue, and its consumers. Raises DependencyUnavailable."""
        async with self._in_use() as channel:
            answer = await channel.queue_declare(queue, passive=True, timeout=self._timeout)
        return answer.message_count or 0, answer.consumer_count or 0

    async def check(self) -> None:
        await self._ready()

    @asynccontextmanager
    async def _in_use(self) -> AsyncIterator[RawChannel]:
        """A channel that failed is not used again: after a timeout it may call itself open, and refuse everything."""
        channel = await self._ready()
        try:
            async with unavailable_if_gone():
                yield channel
        except DependencyUnavailable:
            if self._channel is channel:
                self._channel = None
            raise

    async def _ready(self) -> RawChannel:
        if self._channel and not self._channel.is_closed:
            return self._channel
        async with self._connecting:
            if self._channel and not self._channel.is_closed:
                return self._channel
            if self._connection:
                metrics.RECONNECTS.inc()
            await self._close()
            async with unavailable_if_gone(), asyncio.timeout(SETUP_SECONDS):
                self._connection = await connect(self._url, f"{self._name} publisher")
                await declare_again(self._connection)
                channel = self._connection.channel(on_return_raises=True)
                await channel.initialize()
                self._keep = channel
                self._channel = await raw_channel(channel)
            return self._channel

    async def stop(self, deadline: float) -> None:
        await self._close()

    async def _close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection:
            try:
                async with asyncio.timeout(2):
                    await connection.close()
            except Exception as error:  # a dead connection has nothing left to lose
                log.debug("broker.close_failed", error=repr(error))
