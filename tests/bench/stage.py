"""What is measured: all services as processes on private servers, and 200 webhooks of one tenant on one receiver."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.servers import Servers
from tests.bench.children import Child, child
from tests.bench.counters import Counters
from tests.bench.meters import server_roles
from tests.bench.payload import WEBHOOKS, Shape
from tests.cluster import Cluster, cluster, free_port, until

_DRAIN_SECONDS = 60


@dataclass
class Stage:
    folder: Path
    services: Cluster
    shape: Shape
    counters: Counters
    receiver: Child

    @asynccontextmanager
    async def publishing(self, mode: str, value: float) -> AsyncIterator[Child]:
        """A producer at work; when it leaves, what it published has been delivered."""
        arguments = ("--mode", mode, "--value", value, "--fanout", self.shape.fanout)
        where = ("--url", self.services.amqp_url, "--counters", self.folder / "counters")
        with child("publisher", *where, *arguments, log=self.folder / "publisher.log") as publisher:
            yield publisher
            await publisher.stop()
        await self.drained()

    @property
    def expected(self) -> int:
        return self.counters.published * self.shape.fanout

    async def drained(self, within_seconds: float = _DRAIN_SECONDS) -> None:
        def explain() -> str:
            return f"{self.expected - self.counters.received} deliveries have not arrived; logs in {self.folder}"

        await until(lambda: self.counters.received >= self.expected, within_seconds, explain)

    def service_roles(self) -> dict[int, str]:
        return {service.pid: service.name for service in self.services.services if service.alive()}

    def roles(self, publisher: Child) -> dict[int, str]:
        """Every process that has a part in a delivery."""
        return {
            **server_roles(),
            **self.service_roles(),
            publisher.pid: "publisher",
            self.receiver.pid: "receiver",
        }


@asynccontextmanager
async def staged(folder: Path, servers: Servers, shape: Shape) -> AsyncIterator[Stage]:
    port = free_port()
    with receiving(folder, "counters", port) as (counters, receiver):
        async with cluster(folder, servers.rabbitmq.url, servers.mongodb.url) as services:
            await create_webhooks(services, shape, port)
            yield Stage(folder, services, shape, counters, receiver)


@contextmanager
def receiving(folder: Path, name: str, port: int) -> Iterator[tuple[Counters, Child]]:
    """A receiver process with counters of its own."""
    counters = Counters.create(folder / name)
    with child("receiver", port, folder / name, log=folder / "receiver.log") as receiver:
        yield counters, receiver


async def create_webhooks(services: Cluster, shape: Shape, port: int) -> None:
    for start in range(0, WEBHOOKS, 20):
        await asyncio.gather(
            *(
                services.create_webhook(f"http://127.0.0.1:{port}/hooks/{number}", **shape.webhook(number))
                for number in range(start, start + 20)
            )
        )
