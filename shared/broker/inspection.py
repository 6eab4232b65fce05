"""Looks at what is on the broker without changing it, and makes what is missing when asked to."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any, Self

from aio_pika.abc import AbstractConnection
from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from shared.broker.connection import SETUP_SECONDS, connect, declared, unavailable_if_gone
from shared.broker.topology import EXCHANGES, QUEUES, Exchange, Queue
from shared.errors import DependencyUnavailable
from shared.presence import Found, Presence

_NOWHERE = "dispatcher.nobody-consumes-this"


class Trouble(StrEnum):
    """Why there is no connection, by what somebody has to do."""

    LOGIN = "login"
    VHOST = "virtual host"
    TLS = "tls"
    AWAY = "away"


def trouble(error: DependencyUnavailable) -> Trouble:
    """Of an error that opening an Inspection raised."""
    cause: BaseException | None = error.__cause__
    while cause:
        match cause:
            case AuthenticationError() | ProbableAuthenticationError():
                return Trouble.LOGIN
            case InvalidFrameError():  # all that is left of the Close with which the broker answers Open
                return Trouble.VHOST
            case ssl.SSLError() | FileNotFoundError() | PermissionError():  # of the certificates that the URL names
                return Trouble.TLS
        cause = cause.__cause__ or cause.__context__
    return Trouble.AWAY


class Inspection:
    """`async with`: one connection. Raises DependencyUnavailable."""

    def __init__(self, *, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: AbstractConnection

    async def __aenter__(self) -> Self:
        self._connection = await connect(self._url, f"{self._name} inspection")
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(DependencyUnavailable):  # a broker in an alarm does not even read the good-bye
            async with unavailable_if_gone(), asyncio.timeout(2):
                await self._connection.close()

    @property
    def version(self) -> str:
        transport = self._connection.transport
        told: dict[str, Any] = dict(transport.connection.server_properties) if transport else {}
        return str(told.get("version", "unknown"))

    async def takes_publishes(self, within_seconds: float) -> bool:
        """By messages that no queue gets. A broker in an alarm takes a connection's first, and then reads no more."""
        channel = self._connection.channel()
        async with unavailable_if_gone():
            await channel.initialize()
            raw = await channel.get_underlay_channel()
            try:
                for _ in range(2):
                    await raw.basic_publish(b"", exchange="", routing_key=_NOWHERE, timeout=within_seconds)
            except TimeoutError:
                return False
        return True

    async def counted(self, queue: str) -> tuple[int, int]:
        """Messages ready in a queue that exists, and its consumers."""
        async with unavailable_if_gone(), asyncio.timeout(SETUP_SECONDS), self._connection.channel() as channel:
            result = (await channel.declare_queue(queue, passive=True)).declaration_result
        return result.message_count or 0, result.consumer_count or 0

    async def look(self) -> list[Found]:
        """At all of the topology but the bindings, which only management could tell."""
        async with unavailable_if_gone(), asyncio.timeout(SETUP_SECONDS):
            exchanges = [await self._exchange(one) for one in EXCHANGES]
            return exchanges + [await self._queue(one) for one in QUEUES]

    async def make_missing(self) -> list[Found]:
        """What there was before. Afterwards nothing is missing, and all that is as we need it is bound."""
        found = await self.look()
        before = {one.what: one.presence for one in found}
        async with unavailable_if_gone(), asyncio.timeout(SETUP_SECONDS):
            for exchange in EXCHANGES:
                if before[_name(exchange)] is Presence.MISSING:
                    await self._declare_exchange(exchange)
            for queue in QUEUES:
                if before[_name(queue)] is not Presence.OTHER:
                    former = before[_name(queue)] is Presence.FORMER
                    await declared(self._connection, queue, (former and queue.earlier) or queue.arguments)
        return found

    async def _exchange(self, exchange: Exchange) -> Found:
        async def there() -> None:
            async with self._connection.channel() as channel:
                await channel.get_exchange(exchange.name)

        return await _found(_name(exchange), there, lambda: self._declare_exchange(exchange))

    async def _declare_exchange(self, exchange: Exchange) -> None:
        async with self._connection.channel() as channel:
            await channel.declare_exchange(exchange.name, exchange.type, durable=True)

    async def _queue(self, queue: Queue) -> Found:
        async def there() -> None:
            async with self._connection.channel() as channel:
                await channel.declare_queue(queue.name, passive=True)

        found = await _found(_name(queue), there, lambda: self._alike(queue, queue.arguments))
        if found.presence is Presence.OTHER and queue.earlier:
            former = await _found(found.what, there, lambda: self._alike(queue, queue.earlier or {}))
            if former.presence is Presence.THERE:
                return Found(found.what, Presence.FORMER, found.difference)
        return found

    async def _alike(self, queue: Queue, arguments: dict[str, Any]) -> None:
        """A queue that exists is not changed by being declared: the broker compares, and refuses."""
        async with self._connection.channel() as channel:
            await channel.declare_queue(queue.name, durable=True, arguments=arguments)


def _name(part: Exchange | Queue) -> str:
    return f"{'exchange' if isinstance(part, Exchange) else 'queue'} {part.name}"


async def _found(what: str, there: Callable[[], Awaitable[None]], alike: Callable[[], Awaitable[None]]) -> Found:
    try:
        await there()
        await alike()
    except ChannelNotFoundEntity:
        return Found(what, Presence.MISSING)
    except (ChannelPreconditionFailed, ChannelAccessRefused) as error:
        return Found(what, Presence.OTHER, str(error))
    return Found(what, Presence.THERE)
