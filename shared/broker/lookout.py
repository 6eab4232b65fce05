"""RabbitMQ for people who wait for a page: reached when somebody looks, and not waited for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from shared.broker.browser import Browser
from shared.broker.publisher import Publisher
from shared.broker.topology import QUEUES
from shared.errors import DependencyUnavailable, StartupError

PATIENCE_SECONDS = 2
_AT_ONCE = 25
"""Messages of a queue in our memory at once: they may have megabytes, and a service has other things to do."""


@dataclass(frozen=True, slots=True)
class Depth:
    """`ready`: messages that nobody holds."""

    queue: str
    ready: int
    consumers: int


class Lookout:
    """Keeps one connection, made when first needed; a look through a queue has one of its own, which ends with it."""

    def __init__(self, *, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._one_at_a_time = asyncio.Lock()
        self.publisher = Publisher(url=url, name=name, timeout_seconds=PATIENCE_SECONDS)

    async def start(self) -> None:
        """Nothing to wait for: who looks first connects."""

    async def stop(self, deadline: float) -> None:
        await self.publisher.stop(deadline)

    async def depths(self) -> list[Depth]:
        """Of all queues. Raises DependencyUnavailable."""
        async with _no_longer_than(PATIENCE_SECONDS):
            return [Depth(queue.name, *await self.publisher.counted(queue.name)) for queue in QUEUES]

    @asynccontextmanager
    async def browser(self, queue: str, seconds: float) -> AsyncIterator[Browser]:
        """For so long at most. One at a time, as nobody sees what another holds. Raises DependencyUnavailable."""
        async with self._one_at_a_time, _no_longer_than(seconds), AsyncExitStack() as stack:
            async with _no_longer_than(PATIENCE_SECONDS):
                looking = await self._opened(stack, queue)
            yield looking

    async def _opened(self, stack: AsyncExitStack, queue: str) -> Browser:
        browser = Browser(url=self._url, name=self._name, queue=queue, group=_AT_ONCE)
        try:
            return await stack.enter_async_context(browser)
        except StartupError as error:
            raise DependencyUnavailable(f"RabbitMQ: {error}") from None


@asynccontextmanager
async def _no_longer_than(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise DependencyUnavailable(f"RabbitMQ: no answer within {seconds:g} s") from None
