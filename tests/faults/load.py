"""Load for the fault tests: producers that know exactly what was accepted, and an endpoint that counts what arrives."""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aio_pika
import aiohttp
from aiohttp import web

from shared.ids import delivery_id
from tests.cluster import ADMIN_KEY, SESSION

_CONFIRM_SECONDS = 5
_PAUSE_SECONDS = 0.1


class CountingEndpoint:
    """Counts requests per delivery. What comes by the path /failing is answered 500 at its first attempt."""

    def __init__(self) -> None:
        self.url = ""
        self.delay_seconds = 0.0
        self.arrived: set[str] = set()
        self.duplicates = 0
        self.last_arrival = 0.0
        self._attempts: set[tuple[str, str]] = set()

    async def handle(self, request: web.Request) -> web.Response:
        await request.read()
        delivery, attempt = request.headers["X-Allure-Delivery"], request.headers["X-Allure-Attempt"]
        if delivery in self.arrived or (delivery, attempt) in self._attempts:
            self.duplicates += 1
        self._attempts.add((delivery, attempt))
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if request.path == "/failing" and attempt == "1":
            return web.Response(status=500)
        if delivery not in self.arrived:
            self.arrived.add(delivery)
            self.last_arrival = time.monotonic()
        return web.Response(status=200)


@asynccontextmanager
async def counting_endpoint() -> AsyncIterator[CountingEndpoint]:
    endpoint = CountingEndpoint()
    app = web.Application()
    app.router.add_post("/{path:.*}", endpoint.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield endpoint
    finally:
        await runner.cleanup()


@dataclass
class Load:
    """Publishes by AMQP and by HTTP. A publish that fails is repeated with the same `event_id` until it is accepted."""

    amqp_url: str
    ingest_url: str
    tenant: str
    webhooks: dict[str, str]  # event type → id of the one webhook that wants it
    group: int = 20
    pause_seconds: float = _PAUSE_SECONDS  # between two groups of one producer
    accepted: set[str] = field(default_factory=set)  # the ids of the deliveries that have to come
    failed: Counter[str] = field(default_factory=Counter)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _stopping: bool = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ends when every event it began with was accepted."""
        self._stopping = False
        producers = [asyncio.create_task(self._by_amqp()), asyncio.create_task(self._by_http())]
        try:
            yield
            self._stopping = True
            async with asyncio.timeout(60):
                await asyncio.gather(*producers)
        finally:
            for producer in producers:
                producer.cancel()
            await asyncio.gather(*producers, return_exceptions=True)

    def _make(self) -> list[tuple[str, dict[str, object]]]:
        types = itertools.cycle(self.webhooks)
        return [self._event(f"event-{number}", next(types)) for number in itertools.islice(self._numbers, self.group)]

    def _event(self, event_id: str, event_type: str) -> tuple[str, dict[str, object]]:
        event = {"event": event_type, "tenant_id": self.tenant, "event_id": event_id, "data": SESSION | _MORE}
        return delivery_id(self.tenant, event_id, self.webhooks[event_type]), event

    async def _by_amqp(self) -> None:
        """A plain client: a new connection whenever the last one failed."""
        waiting: list[tuple[str, dict[str, object]]] = []
        while not self._stopping or waiting:
            try:
                connection = await aio_pika.connect(self.amqp_url, timeout=_CONFIRM_SECONDS)
            except (OSError, aio_pika.exceptions.AMQPError, TimeoutError) as error:
                self.failed[f"connect {type(error).__name__}"] += 1
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            try:
                exchange = await (await connection.channel()).get_exchange("events")
                while not self._stopping or waiting:
                    waiting = waiting or self._make()
                    waiting = await self._publish_all(exchange, waiting)
                    await asyncio.sleep(self.pause_seconds)
            except (OSError, aio_pika.exceptions.AMQPError, TimeoutError, RuntimeError) as error:
                self.failed[f"publish {type(error).__name__}"] += 1
            finally:
                with suppress(Exception):
                    async with asyncio.timeout(1):
                        await connection.close()

    async def _publish_all(
        self, exchange: aio_pika.abc.AbstractExchange, events: list[tuple[str, dict[str, object]]]
    ) -> list[tuple[str, dict[str, object]]]:
        """Answers those that were not confirmed; raises when none was, so that a new connection is made."""

        async def one(delivery: str, event: dict[str, object]) -> None:
            message = aio_pika.Message(json.dumps(event).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await exchange.publish(message, routing_key=str(event["event"]), timeout=_CONFIRM_SECONDS)
            self.accepted.add(delivery)

        results = await asyncio.gather(*(one(*event) for event in events), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if len(failures) == len(events):
            raise failures[0]
        return [event for event, result in zip(events, results, strict=True) if isinstance(result, BaseException)]

    async def _by_http(self) -> None:
        timeout = aiohttp.ClientTimeout(total=40)
        async with aiohttp.ClientSession(headers={"X-API-Key": ADMIN_KEY}, timeout=timeout) as session:
            waiting: list[tuple[str, dict[str, object]]] = []
            while not self._stopping or waiting:
                waiting = waiting or self._make()
                try:
                    body = [event for _, event in waiting]
                    async with session.post(self.ingest_url + "/api/v1/events", json=body) as response:
                        await response.read()
                        assert response.status in (202, 503), f"{response.status} {await response.text():.200}"
                        if response.status == 202:
                            self.accepted.update(delivery for delivery, _ in waiting)
                            waiting = []
                        else:
                            self.failed["http 503"] += 1
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.failed[f"http {type(error).__name__}"] += 1
                await asyncio.sleep(self.pause_seconds)


_MORE = {"completion_status": "completed", "title": "a package", "error": "what went wrong"}
