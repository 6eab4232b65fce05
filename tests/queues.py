"""What lies on a queue, for tests to look at. Consumed: nobody may get from a queue with a single active consumer."""

import asyncio

import aio_pika
from aio_pika.abc import AbstractIncomingMessage


async def taken(url: str, name: str) -> list[AbstractIncomingMessage]:
    """All that is in it, which is then empty."""
    return await _consumed(url, name, no_ack=True)


async def seen(url: str, name: str) -> list[AbstractIncomingMessage]:
    """All that is in it, which stays there."""
    return await _consumed(url, name, no_ack=False)


async def _consumed(url: str, name: str, *, no_ack: bool) -> list[AbstractIncomingMessage]:
    arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    async with asyncio.timeout(30), await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue(name)
        await queue.consume(arrived.put, no_ack=no_ack)
        return [await arrived.get() for _ in range(queue.declaration_result.message_count or 0)]
