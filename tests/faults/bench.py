"""A site whose services are forks that die at chosen points, and the things that happen to it."""

import asyncio
import itertools
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aio_pika
from aiohttp import web

from shared.broker.topology import DEAD_DELIVERIES, EVENTS, PARKED
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.mongo import Mongo
from tests.cluster import SESSION, Cluster, Received, Receiver, cluster, environment, free_port, receiver, until
from tests.faults.forks import Fork, Forks, forks_in
from tests.faults.points import Point

SETTINGS = {
    "ATTEMPT_TIMEOUT_SECONDS": "1",
    "DETACH_SECONDS": "0.3",
    "LEASE_MARGIN_SECONDS": "0.5",
    "MARKER_SECONDS": "0.5",
    "JOB_LEASE_SECONDS": "1",
    "RETRY_BASE_SECONDS": "0.1",
    "RETRY_FACTOR": "1",
    "SCHEDULER_POLL_SECONDS": "0.1",
    "BREAKER_PROBE_SECONDS": "0.3",
    "IN_FLIGHT": "4",
    "IN_FLIGHT_PER_ENDPOINT": "2",
    "QUEUE_DEPTH_LIMIT": "3",
    "FANOUT_TENANT_BURST": "10",
}
SERVICES = ("fanout", "delivery", "scheduler")
RETENTION = timedelta(days=7)  # as in the services


class Bench:
    """Fan-out, worker and scheduler as forks, an api, an endpoint, and a look at everything."""

    def __init__(self, site: Cluster, forks: Forks, endpoint: Receiver, channel: Any, mongo: Mongo) -> None:
        self.site = site
        self.endpoint = endpoint
        self.channel = channel
        self.mongo = mongo
        self.deliveries = Deliveries(mongo, retention=RETENTION)
        self.events = Events(mongo, retention=RETENTION)
        self.running: dict[str, Fork] = {}
        self.scenarios: dict[str, Any] = {}  # by tenant
        self.letters: dict[str, Counter[str]] = {DEAD_DELIVERIES: Counter(), PARKED: Counter()}
        self._forks = forks
        self._ports = {name: str(free_port()) for name in SERVICES}
        endpoint.answer = self._answer

    def start(self, name: str, armed: Point | None = None, **settings: str) -> Fork:
        port = {f"{name.upper()}_PORT": self._ports[name]}
        env = environment(self.site.amqp_url, self.site.mongodb_url, **{**self.site.settings, **port, **settings})
        self.running[name] = self._forks.start(name, env, armed)
        return self.running[name]

    async def publish(self, body: bytes, exchange: str = EVENTS, routing_key: str = "session.created") -> None:
        target = await self.channel.get_exchange(exchange) if exchange else self.channel.default_exchange
        await target.publish(aio_pika.Message(body), routing_key=routing_key)

    async def depth(self, queue: str) -> int:
        declared = await self.channel.declare_queue(queue, passive=True)
        return int(declared.declaration_result.message_count)

    async def take(self, queue: str) -> Any:
        return await (await self.channel.get_queue(queue)).get(fail=False)

    async def nobody_rests(self) -> None:
        """The rest behind a count grows with all that earlier scenarios left to be counted: the next one is now."""
        await self.mongo.db.duties.update_many({}, {"$set": {"next_at": self.mongo.now()}})

    async def count_letters(self) -> None:
        """Takes what lies in both dead-letter queues, and counts it by the scenario that it came from."""
        for queue, counted in self.letters.items():
            while message := await self.take(queue):
                await message.ack()
                tenants = [tenant for tenant in self.scenarios if tenant.encode() in message.body]
                counted[tenants[0] if tenants else repr(message.body[:200])] += 1

    def _answer(self, _request: web.Request, received: Received) -> Any:
        scenario = self.scenarios[received.path.split("/")[1]]
        scenario.requests[received.headers["X-Allure-Delivery"]] += 1
        return scenario.answer(received)

    def explain(self) -> str:
        return "\n".join(f"--- {name}\n{fork.tail()}" for name, fork in self.running.items())


@asynccontextmanager
async def bench(folder: Path, amqp_url: str, mongodb_url: str) -> AsyncIterator[Bench]:
    with forks_in(folder) as forks:
        async with cluster(folder, amqp_url, mongodb_url, "api", **SETTINGS) as site, receiver() as endpoint:
            mongo = Mongo(url=mongodb_url, database=site.settings["MONGODB_DATABASE"], timeout_seconds=10)
            async with site.channel() as channel:
                made = Bench(site, forks, endpoint, channel, mongo)
                try:
                    for name in SERVICES:
                        made.start(name)
                    yield made
                finally:
                    for fork in made.running.values():
                        fork.kill()
                    await mongo.stop(0)


class Scenario:
    """Something that happens, and how it has to end whatever dies meanwhile. Each run has a tenant of its own.

    Here: one event for one endpoint that takes it.
    """

    process = ""  # whose points it is for
    events = 1
    webhooks = 1
    ends = ("succeeded",) * events  # each delivery's status
    reason: str | None = None
    dead_letters = 0  # a crash may repeat one: so many, or so many and one more
    parked = 0
    longer_seconds = 1.0  # for what its process does once it happened
    before_start = False  # it begins before the process under test starts
    host = "127.0.0.1"
    _numbers = itertools.count(1)

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.tenant = f"tenant-{next(Scenario._numbers)}-{secrets.token_hex(4)}"
        self.requests: Counter[str] = Counter()
        self.webhook_ids: list[str] = []
        self.killed_at = "nobody killed"
        bench.scenarios[self.tenant] = self

    def answer(self, received: Received) -> Any:
        """With a body, so that reading it can be interrupted."""
        return web.Response(text="OK")

    async def begin(self) -> None:
        await self.create_webhooks()
        await self.bench.publish(self.event("event-1"))

    async def happened(self) -> bool:
        """With nobody killed: has the interesting part been passed?"""
        return await self.ended()

    async def recover(self) -> None:
        """After the crash, with the process back: what a person would repair."""

    async def ended(self) -> bool:
        await self.bench.count_letters()
        documents = await self.documents()
        return (
            sorted(document["status"] for document in documents) == sorted(self.ends)
            and self.letters(DEAD_DELIVERIES) >= self.dead_letters
            and self.letters(PARKED) >= self.parked
        )

    async def settled(self) -> bool:
        """Ended, and its message will not come again: else the next scenario's crash would repeat this one, too."""
        return True

    async def check(self) -> None:
        """Once ended."""
        for document in await self.documents():
            assert document.get("reason") == self.reason
            if document["status"] == "succeeded":
                assert self.requests[document["_id"]] >= 1, f"{document['_id']} never reached its endpoint"

    def check_letters(self) -> None:
        for queue, expected in ((DEAD_DELIVERIES, self.dead_letters), (PARKED, self.parked)):
            most = expected + 1 if expected else 0
            found = self.letters(queue)
            assert expected <= found <= most, f"{found} messages in {queue} of {type(self).__name__}, {self.killed_at}"

    def letters(self, queue: str) -> int:
        return self.bench.letters[queue][self.tenant]

    async def change_by_hand(self, update: dict[str, Any]) -> None:
        """What no API does to the first webhook, counted like any change so that it is in force at once."""
        db = self.bench.mongo.db
        await db.webhooks.update_one({"_id": self.webhook_ids[0]}, update)
        await db.tenants.update_one({"_id": self.tenant}, {"$inc": {"webhooks_version": 1}})

    async def create_webhooks(self, **fields: Any) -> None:
        for number in range(self.webhooks):
            url = self.bench.endpoint.url.replace("127.0.0.1", self.host) + f"/{self.tenant}/{number}"
            made = await self.bench.site.create_webhook(url, tenant_id=self.tenant, **fields)
            self.webhook_ids.append(made["id"])

    def event(self, event_id: str) -> bytes:
        event = {"event": "session.created", "tenant_id": self.tenant, "event_id": event_id, "data": SESSION}
        return json.dumps(event).encode()

    async def documents(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.bench.mongo.db.deliveries.find({"tenant_id": self.tenant}).to_list(
            None
        )
        return found


async def run_through(bench: Bench, scenario: Scenario) -> set[int]:
    """With nobody killed; answers the points that its process came by, from its start on."""
    fork = bench.running[scenario.process]
    if scenario.before_start:
        fork.kill()
        await scenario.begin()
        fork = bench.start(scenario.process)
    else:
        await scenario.begin()
    await until(scenario.happened, 20, bench.explain)
    await scenario.recover()
    await until(scenario.ended, 20, bench.explain)
    await scenario.check()
    return fork.passed()


async def crash(bench: Bench, scenario: Scenario, point: Point, *, at_start: bool) -> bool:
    """Kill the process at `point`, start it again, see how things end. False when it never came by."""
    fork = bench.running[scenario.process]
    if at_start:
        fork.kill()
        if scenario.before_start:
            await scenario.begin()
        fork = bench.start(scenario.process, armed=point)
    else:
        fork.arm(point)
    if not (at_start and scenario.before_start):
        await scenario.begin()
    await bench.nobody_rests()
    await _wait_for_crash(fork, scenario)
    fork.disarm(point)
    hit = fork.crashed()
    if hit:
        scenario.killed_at = f"killed {point}"
        bench.start(scenario.process)
    await bench.nobody_rests()
    await scenario.recover()
    await until(scenario.ended, 20, lambda: f"{point}, in {type(scenario).__name__}\n{bench.explain()}", every=0.02)
    await until(scenario.settled, 20, bench.explain, every=0.02)
    await scenario.check()
    return hit


async def _wait_for_crash(fork: Fork, scenario: Scenario) -> None:
    """Waits for it, and gives up a while after the scenario has passed unharmed."""
    deadline = time.monotonic() + 8
    passed = 0.0
    while time.monotonic() < deadline:
        if fork.crashed():
            return
        if not passed and await scenario.happened():
            passed = time.monotonic()
            deadline = min(deadline, passed + scenario.longer_seconds)
        await asyncio.sleep(0.01)
