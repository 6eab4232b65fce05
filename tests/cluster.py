"""The services as processes of their own, for tests that look at the whole."""

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import aio_pika
from aiohttp import ClientSession, web
from motor.motor_asyncio import AsyncIOMotorClient

from shared.broker.connection import declare
from shared.broker.topology import QUEUES

ADMIN_KEY = "scorm_" + "operator-of-the-tests"
SECRET_KEYS = "k1:" + base64.b64encode(b"0123456789abcdef" * 2).decode()
TENANT = "550e8400-e29b-41d4-a716-446655440000"
SESSION = {"session_id": "session_1", "package_id": "pkg_1", "user_id": "user_1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(amqp_url: str, mongodb_url: str, **more: str) -> dict[str, str]:
    """What a service process of the tests is started with; names without the prefix."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCHER_")}
    ours = {
        "AMQP_URL": amqp_url,
        "MONGODB_URL": mongodb_url,
        "SECRET_KEYS": SECRET_KEYS,
        "ADMIN_KEY": ADMIN_KEY,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "ALLOW_HTTP": "true",
        **more,
    }
    return {**inherited, **{f"DISPATCHER_{name}": value for name, value in ours.items()}}


@dataclass
class ServiceProcess:
    """One service; `start` again after `kill` is a restart with the same settings and port."""

    name: str
    env: dict[str, str]
    log: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"services.{self.name}"], env=self.env, stdout=log, stderr=log
            )

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self, within_seconds: float = 15) -> int:
        """SIGTERM; answers the exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_seconds)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Cluster:
    """Services on their own database and broker; everything in it is ended at the end."""

    def __init__(self, folder: Path, amqp_url: str, mongodb_url: str, **settings: str) -> None:
        self.folder = folder
        self.amqp_url = amqp_url
        self.mongodb_url = mongodb_url
        self.settings = {"MONGODB_DATABASE": f"test_{os.getpid()}_{time.time_ns()}", **settings}
        self.services: list[ServiceProcess] = []
        self.http: ClientSession
        self.api = ""
        self.ingest = ""

    def add(self, name: str, **settings: str) -> ServiceProcess:
        """Start one more `name` (ingest, fanout, delivery, scheduler, api)."""
        port = free_port()
        env = environment(
            self.amqp_url, self.mongodb_url, **{**self.settings, **settings, f"{name.upper()}_PORT": str(port)}
        )
        log = self.folder / f"{name}-{len(self.services)}.log"
        service = ServiceProcess(name, env, log, port)
        service.start()
        self.services.append(service)
        if name in ("api", "ingest"):
            setattr(self, name, service.url)
        return service

    def of(self, name: str) -> list[ServiceProcess]:
        return [service for service in self.services if service.name == name]

    async def ready(self, within_seconds: float = 30) -> None:
        """Every service answers /readyz with 200."""
        await until(self._all_ready, within_seconds, self.logs)

    async def _all_ready(self) -> bool:
        for service in self.services:
            try:
                async with self.http.get(service.url + "/readyz") as response:
                    if response.status != 200:
                        return False
            except OSError:
                return False
        return True

    def logs(self, last: int = 2_000) -> str:
        return "\n".join(f"--- {s.log.name}\n{s.log.read_text(errors='replace')[-last:]}" for s in self.services)

    async def create_webhook(self, url: str, event_type: str = "session.created", **fields: Any) -> dict[str, Any]:
        body = {"tenant_id": TENANT, "url": url, "event_type": event_type, **fields}
        if "event_types" in fields:
            del body["event_type"]
        async with self.http.post(self.api + "/api/v1/webhooks", json=body) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 201, answer
            return answer

    async def key(self, *scopes: str) -> str:
        """A new one of the tenant's."""
        wanted = {"tenant_id": TENANT, "scopes": list(scopes)}
        async with self.http.post(self.api + "/api/v1/api-keys", json=wanted) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 201, answer
            return str(answer["key"])

    async def deliveries(self, webhook_id: str, **query: str) -> list[dict[str, Any]]:
        async with self.http.get(f"{self.api}/api/v1/webhooks/{webhook_id}/deliveries", params=query) as response:
            answer = await response.json()
            assert response.status == 200, answer
            found: list[dict[str, Any]] = answer["deliveries"]
            return found

    @cached_property
    def mongo(self) -> "AsyncIOMotorClient[dict[str, Any]]":
        return AsyncIOMotorClient(self.mongodb_url, tz_aware=True)

    @property
    def db(self) -> Any:
        """The services' database, for looking at documents."""
        return self.mongo[self.settings["MONGODB_DATABASE"]]

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Any]:
        """A plain AMQP client's channel."""
        connection = await aio_pika.connect(self.amqp_url)
        async with connection:
            yield await connection.channel()

    async def depth(self, queue: str) -> int:
        async with self.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
            return int(declared.declaration_result.message_count)

    async def clear_broker(self) -> None:
        """Nothing of an earlier test is left in the shared broker."""
        connection = await aio_pika.connect(self.amqp_url)
        async with connection:
            await declare(connection)
            channel = await connection.channel()
            for queue in QUEUES:
                await (await channel.get_queue(queue.name)).purge()

    def close(self) -> None:
        for service in self.services:
            if service.alive():
                service.kill()
        if "mongo" in vars(self):
            self.mongo.close()


@asynccontextmanager
async def cluster(
    folder: Path, amqp_url: str, mongodb_url: str, *names: str, **settings: str
) -> AsyncIterator[Cluster]:
    """Started and ready; `names` may repeat. A database of its own; a shared broker's queues are emptied."""
    made = Cluster(folder, amqp_url, mongodb_url, **settings)
    async with ClientSession(headers={"X-API-Key": ADMIN_KEY}) as made.http:
        await made.clear_broker()
        try:
            for name in names or ("ingest", "fanout", "delivery", "scheduler", "api"):
                made.add(name)
            await made.ready()
            yield made
        finally:
            made.close()


async def until(
    condition: Callable[[], Any], within_seconds: float, explain: Callable[[], str] = str, every: float = 0.05
) -> None:
    """Wait for a condition (plain or awaitable); fails with `explain()` after `within_seconds`."""
    deadline = time.monotonic() + within_seconds
    while True:
        result = condition()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return
        assert time.monotonic() < deadline, f"not within {within_seconds} s: {explain()}"
        await asyncio.sleep(every)


@asynccontextmanager
async def again_and_again(work: Callable[[], Awaitable[object]], every: float = 0.25) -> AsyncIterator[None]:
    """While the body goes on; a failure ends it."""

    async def repeat() -> None:
        while True:
            await work()
            await asyncio.sleep(every)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(repeat())
        yield
        task.cancel()


@dataclass
class Received:
    at: float
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An endpoint. `answers` decides per request: a status, or a coroutine function of the request."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answer: Callable[[web.Request, Received], Any] = lambda _request, _received: 200

    async def handle(self, request: web.Request) -> web.StreamResponse:
        received = Received(time.time(), request.path, dict(request.headers), await request.read())
        self.requests.append(received)
        result = self.answer(request, received)
        if asyncio.iscoroutine(result):
            result = await result
        return result if isinstance(result, web.StreamResponse) else web.Response(status=result)


@asynccontextmanager
async def receiver(answer: Callable[[web.Request, Received], Any] | None = None) -> AsyncIterator[Receiver]:
    made = Receiver() if answer is None else Receiver(answer=answer)
    app = web.Application(client_max_size=10 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
