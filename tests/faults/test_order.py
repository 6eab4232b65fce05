"""Ordered webhooks receive in order while fan-outs, workers and schedulers are killed and their endpoints fail."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aiohttp import web

from deploy.local.servers import Server
from shared.broker.topology import PARKED
from tests.cluster import SESSION, Cluster, Received, cluster, receiver, until
from tests.faults.figures import figures_equal_a_scan

WEBHOOKS = 20
EVENTS = 500  # of each
MOST_UNDELIVERED = 1_500  # so that fan-out has work for as long as there are kills
MAX_ATTEMPTS = 2
ANSWER_SECONDS = 0.02
KILLS = ("fanout", "delivery", "delivery", "fanout", "delivery", "scheduler") * 2
SERVICES = ("api", "fanout", "fanout", "delivery", "delivery", "delivery", "scheduler", "scheduler")
SETTINGS = {
    "ATTEMPT_TIMEOUT_SECONDS": "1",
    "LEASE_MARGIN_SECONDS": "0.5",
    "MARKER_SECONDS": "0.5",
    "RETRY_BASE_SECONDS": "0.1",
    "RETRY_FACTOR": "1",
    "SCHEDULER_POLL_SECONDS": "0.1",
    "LOG_LEVEL": "warning",
}


@dataclass
class Line:
    """What one webhook's endpoint sees. Its events are numbered from 0, in the order in which they are published."""

    seen: int = 0  # the first so many came at least once
    ended: set[int] = field(default_factory=set)
    requests: int = 0
    violations: list[str] = field(default_factory=list)

    async def take(self, number: int, attempt: int) -> int:
        """Answers the status, after a while in which whoever asks may be killed."""
        self.requests += 1
        if number >= self.seen:
            self._look_at_the_first(number)
            self.seen = number + 1
        await asyncio.sleep(ANSWER_SECONDS)
        status = _answer(number, attempt)
        if status == 200 or attempt == MAX_ATTEMPTS:
            self.ended.add(number)
        return status

    def _look_at_the_first(self, number: int) -> None:
        if number > self.seen:
            self.violations.append(f"{number} came before {self.seen}")
        if unended := [before for before in range(number) if before not in self.ended]:
            self.violations.append(f"{number} came while {unended[:5]} had not ended")


def _answer(number: int, attempt: int) -> int:
    """One in a hundred is never taken, one in twenty not at first."""
    return 500 if number % 100 == 7 or (number % 20 == 3 and attempt == 1) else 200


@dataclass
class Run:
    services: Cluster
    lines: dict[str, Line]
    published: int = 0

    async def answer(self, _request: web.Request, received: Received) -> int:
        number = json.loads(received.body)["data"]["time_spent_seconds"]
        return await self.lines[received.path].take(number, int(received.headers["X-Allure-Attempt"]))

    def ended(self) -> int:
        return sum(len(line.ended) for line in self.lines.values())

    async def publish(self) -> None:
        """One after the other by one channel, no further ahead of the endpoints than is allowed."""
        async with self.services.channel() as channel:
            exchange = await channel.get_exchange("events")
            for number in range(EVENTS):
                await asyncio.gather(
                    *(exchange.publish(_event(path, number), "session.progress") for path in self.lines)
                )
                self.published += len(self.lines)
                await until(lambda: self.published - self.ended() < MOST_UNDELIVERED, 60, self.explain)

    async def kill(self) -> None:
        """One service after the other, evenly over the whole run; the one that was killed before is back by then."""
        rounds = {name: cycle(self.services.of(name)) for name in set(KILLS)}
        for number, name in enumerate(KILLS, 1):
            await until(lambda: self.ended() >= number * _total() // (len(KILLS) + 1), 60, self.explain)  # noqa: B023
            await self.services.ready(60)
            victim = next(rounds[name])
            victim.kill()
            victim.start()

    def explain(self) -> str:
        stuck = {path: line.seen for path, line in self.lines.items() if len(line.ended) < EVENTS}
        return f"{self.published} published, {self.ended()} ended, so far: {stuck}\n{self.services.logs(1_000)}"


def _total() -> int:
    return WEBHOOKS * EVENTS


def _event(path: str, number: int) -> aio_pika.Message:
    data = {**SESSION, "time_spent_seconds": number}
    body = {"event": "session.progress", "tenant_id": path[1:], "event_id": f"event-{number}", "data": data}
    return aio_pika.Message(json.dumps(body).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)


@pytest.mark.timeout(400)
async def test_ordered_webhooks_receive_in_order_whoever_is_killed(
    rabbitmq: Server, mongodb: Server, tmp_path: Path, report: list[str]
) -> None:
    lines = {f"/tenant-{number}": Line() for number in range(WEBHOOKS)}
    async with cluster(tmp_path, rabbitmq.url, mongodb.url, *SERVICES, **SETTINGS) as services, receiver() as endpoint:
        run = Run(services, lines)
        endpoint.answer = run.answer
        for path in lines:
            fields: dict[str, Any] = {"tenant_id": path[1:], "ordered": True, "max_attempts": MAX_ATTEMPTS}
            await services.create_webhook(endpoint.url + path, "session.progress", **fields)
        began = time.monotonic()
        await asyncio.gather(run.publish(), run.kill())
        await until(lambda: run.ended() == _total(), 90, run.explain)
        took = time.monotonic() - began
        assert [line.violations for line in lines.values()] == [[]] * WEBHOOKS
        await until(lambda: _all_ended(services), 30, run.explain)
        await _the_documents_agree(services)
        assert await services.depth(PARKED) == 0
        await figures_equal_a_scan(services.db, within_seconds=60)
        more = sum(line.requests for line in lines.values()) - sum(map(_requests_of, range(EVENTS))) * WEBHOOKS
        report.append(f"order: {_total()} events, {len(KILLS)} kills, {took:.0f} s, {more} requests repeated")


async def _all_ended(services: Cluster) -> bool:
    return await services.db.deliveries.count_documents({"status": {"$in": ["pending", "waiting"]}}) == 0


async def _the_documents_agree(services: Cluster) -> None:
    """Each webhook's sequence is that of its events."""
    documents = await services.db.deliveries.find({}).sort("sequence", 1).to_list(None)
    assert len(documents) == _total()
    assert Counter(document["status"] for document in documents) == {
        "succeeded": _total() * 99 // 100,
        "dead": _total() // 100,
    }
    for number in range(WEBHOOKS):
        of_one = [document["event_id"] for document in documents if document["tenant_id"] == f"tenant-{number}"]
        assert of_one == [f"event-{n}" for n in range(EVENTS)]


def _requests_of(number: int) -> int:
    """With nobody killed."""
    return 2 if number % 100 == 7 or number % 20 == 3 else 1
