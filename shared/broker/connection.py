"""Opens connections and channels, and declares the topology on them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
)
from aiormq.abc import AbstractChannel as RawChannel
from aiormq.exceptions import InvalidFrameError
from yarl import URL

from shared.broker.topology import EXCHANGES, QUEUES, Queue
from shared.errors import DependencyUnavailable, StartupError
from shared.lifecycle import was_cancelled

log = structlog.get_logger()

CONNECT_TIMEOUT_SECONDS = 10
HEARTBEAT_SECONDS = 15
SETUP_SECONDS = 20
"""For connecting, declaring and opening a channel together: a broker that hangs in between must not hang us."""

_ADVICE = "delete it once it is empty; until then, on RabbitMQ 4, lift its delivery limit by a policy"

BROKER_ERRORS = (AMQPError, ConnectionError, OSError, asyncio.TimeoutError, RuntimeError)
"""What aio-pika raises when the broker is away, slow or going; RuntimeError is a closed transport."""


@asynccontextmanager
async def unavailable_if_gone() -> AsyncIterator[None]:
    """Turns aio-pika's ways of saying that the broker is away into DependencyUnavailable.

    One of them is a CancelledError, when a connection ends under somebody who waits on it. Nobody cancelled the task
    then, and it must not end by it.
    """
    try:
        yield
    except BROKER_ERRORS as error:
        raise DependencyUnavailable(f"RabbitMQ: {type(error).__name__}: {error}") from error
    except asyncio.CancelledError as error:
        if was_cancelled():
            raise
        raise DependencyUnavailable("RabbitMQ: the connection ended") from error


async def connect(url: str, name: str) -> AbstractConnection:
    """One connection, named as the broker's management shows it. Raises DependencyUnavailable."""
    address = URL(url)
    if "heartbeat" not in address.query:
        address = address.update_query(heartbeat=HEARTBEAT_SECONDS)
    async with unavailable_if_gone():
        try:
            return await aio_pika.connect(
                address, timeout=CONNECT_TIMEOUT_SECONDS, client_properties={"connection_name": name}
            )
        except (AuthenticationError, ProbableAuthenticationError) as error:
            raise DependencyUnavailable(
                f"RabbitMQ refuses user {address.user!r} or its password, as DISPATCHER_AMQP_URL has them"
            ) from error
        except InvalidFrameError as error:
            if "Connection.OpenOk" not in str(error):
                raise
            # The broker closed what it should have opened; the library does not tell its reason.
            raise DependencyUnavailable(
                f"RabbitMQ refuses virtual host {address.path[1:]!r}: it does not exist, or user {address.user!r} "
                "may not use it (see `rabbitmqctl list_vhosts` and `list_permissions`)"
            ) from error


async def raw_channel(channel: AbstractChannel) -> RawChannel:
    """The channel below aio-pika's objects: half the cost per message, and nothing of its comfort is needed here."""
    return await channel.get_underlay_channel()


class Topology:
    """The part that declares everything at start, so that a queue with other arguments stops the process there."""

    def __init__(self, *, url: str, name: str) -> None:
        self._url = url
        self._name = name

    async def start(self) -> None:
        """Raises StartupError. A broker that is away is no error: consumers and publishers declare again."""
        try:
            connection = await connect(self._url, f"{self._name} topology")
            async with unavailable_if_gone(), connection:
                await declare(connection)
        except DependencyUnavailable as error:
            log.warning("broker.away_at_start", error=str(error))

    async def stop(self, deadline: float) -> None:
        """Nothing stays open."""


async def declare(connection: AbstractConnection) -> None:
    """Make sure that everything of the topology exists. Raises StartupError for a queue with other arguments."""
    async with connection.channel() as channel:
        for exchange in EXCHANGES:
            await channel.declare_exchange(exchange.name, exchange.type, durable=True)
    for queue in QUEUES:
        await _declare_queue(connection, queue)


async def declare_again(connection: AbstractConnection) -> None:
    """`declare` for a process that runs already: a queue that changed under it is a reason to wait, not to end."""
    try:
        await declare(connection)
    except StartupError as error:
        raise DependencyUnavailable(str(error)) from error


async def _declare_queue(connection: AbstractConnection, queue: Queue) -> None:
    try:
        await declared(connection, queue, queue.arguments)
    except ChannelPreconditionFailed as error:
        if queue.earlier is None or not await _is_earlier(connection, queue, queue.earlier):
            raise StartupError(
                f"queue {queue.name!r} exists with other arguments ({error}); "
                f"empty and delete it, or name another virtual host in DISPATCHER_AMQP_URL"
            ) from None
        log.warning("broker.queue_of_a_former_version", queue=queue.name, advice=_ADVICE)


async def _is_earlier(connection: AbstractConnection, queue: Queue, arguments: dict[str, Any]) -> bool:
    try:
        await declared(connection, queue, arguments)
    except ChannelPreconditionFailed:
        return False
    return True


async def declared(connection: AbstractConnection, queue: Queue, arguments: dict[str, Any]) -> None:
    """A queue with these arguments, bound."""
    # A refused declaration closes its channel, so each has one of its own.
    async with connection.channel() as channel:
        made = await channel.declare_queue(queue.name, durable=True, arguments=arguments)
        for binding in queue.bindings:
            await made.bind(binding.exchange, binding.routing_key)
