"""What goes wrong at a site, told per alert: it breaks, the alert fires, the runbook is followed, the alert is quiet.

Stories go on side by side, except where one says that it comes after another.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass

import aio_pika

from shared.contracts.event_types import EVENT_TYPES
from tests.cluster import TENANT, ServiceProcess, again_and_again, free_port
from tests.faults.watched import Watched

LIMITS = {
    "dispatcher_deliveries_overdue_seconds) > 60": "dispatcher_deliveries_overdue_seconds) > 2",
    'dispatcher_queue_messages{queue=~"deliveries|deliveries.again"}) > 2000': (
        'dispatcher_queue_messages{queue=~"deliveries|deliveries.again"}) > 20'
    ),
}
"""A minute is long, and 2,000 messages are up to 100,000 deliveries."""

MANY = 21
WEBHOOKS = [
    *[("session.created", {"max_attempts": 1})] * MANY,  # those of the way out
    ("session.completed", {}),
    *[("session.progress", {})] * 3,
]
LATE_CLOCK = "import time\nreal = time.time\ntime.time = lambda: real() - 5\n"

Tell = Callable[[Watched], Awaitable[None]]


@dataclass(frozen=True)
class Story:
    alerts: tuple[str, ...]
    after: tuple[str, ...]
    tell: Tell


STORIES: list[Story] = []


def tells(*alerts: str, after: tuple[str, ...] = ()) -> Callable[[Tell], Tell]:
    """`after`: alerts whose stories come before."""

    def registered(tell: Tell) -> Tell:
        STORIES.append(Story(alerts, after, tell))
        return tell

    return registered


def event(event_type: str) -> dict[str, object]:
    return {"event": event_type, "tenant_id": TENANT, "data": EVENT_TYPES[event_type].example}


async def post(site: Watched, url: str, event_type: str, **headers: str) -> int:
    async with site.services.http.post(url + "/api/v1/events", json=event(event_type), headers=headers) as response:
        return response.status


@tells("DispatcherServiceDown")
async def the_api_dies(site: Watched) -> None:
    [api] = site.services.of("api")
    api.kill()
    await site.until_it_fires("DispatcherServiceDown")
    env = {**api.env, "COMPONENT": "api"}
    await site.look("DispatcherServiceDown", env)
    site.follow("DispatcherServiceDown", env)
    await site.until_it_is_quiet("DispatcherServiceDown")


@tells("DispatcherEventsRefused", after=("DispatcherServiceDown",))
async def a_producers_key_is_revoked(site: Watched) -> None:
    services = site.services
    keys = [await services.key("write")]
    async with services.http.get(services.api + "/api/v1/api-keys") as response:
        [listed] = (await response.json())["api_keys"]

    async def publish() -> None:
        await post(site, services.ingest, "package.processing.failed", **{"X-API-Key": keys[-1]})

    async with again_and_again(publish, every=0.1):
        assert await site.is_quiet("DispatcherEventsRefused")
        async with services.http.delete(f"{services.api}/api/v1/api-keys/{listed['id']}") as response:
            assert response.status == 204
        await site.until_it_fires("DispatcherEventsRefused")
        env = {**services.of("api")[0].env, "DISPATCHER_API_URL": services.api, "TENANT": TENANT}
        await site.look("DispatcherEventsRefused", env)
        followed = site.follow("DispatcherEventsRefused", env)
        await followed.is_done()
        keys.append(json.loads(followed.log.read_text())["key"])
        await site.until_it_is_quiet("DispatcherEventsRefused")


@tells("DispatcherReconnecting")
async def connections_to_rabbitmq_do_not_last(site: Watched) -> None:
    far = site.services.of("ingest")[1]

    async def lose_one() -> None:
        site.link.shake()
        await post(site, far.url, "package.processing.failed")

    async with again_and_again(lose_one, every=0.05):
        await site.until_it_fires("DispatcherReconnecting")
        await site.look("DispatcherReconnecting", far.env)
    await site.until_it_is_quiet("DispatcherReconnecting")


@tells("DispatcherDependencyDown", after=("DispatcherReconnecting",))
async def a_process_does_not_reach_rabbitmq(site: Watched) -> None:
    site.link.cut()
    await site.until_it_fires("DispatcherDependencyDown")
    await site.look("DispatcherDependencyDown", site.services.of("ingest")[1].env)
    site.link.is_cut = False
    await site.until_it_is_quiet("DispatcherDependencyDown")


@tells("DispatcherClockSkew")
async def a_clock_is_late(site: Watched) -> None:
    (site.services.folder / "sitecustomize.py").write_text(LATE_CLOCK)
    right = site.services.of("ingest")[2]
    right.kill()
    late = ServiceProcess("ingest", {**right.env, "PYTHONPATH": str(site.services.folder)}, right.log, right.port)
    late.start()
    try:
        await site.until_it_fires("DispatcherClockSkew")
        await site.look("DispatcherClockSkew", right.env)
    finally:
        late.kill()
    right.start()  # its clock was set
    await site.until_it_is_quiet("DispatcherClockSkew")


@tells("DispatcherMessagesParked")
async def a_producer_publishes_nonsense(site: Watched) -> None:
    async with site.services.channel() as channel:
        exchange = await channel.get_exchange("events")
        await exchange.publish(aio_pika.Message(b"nonsense"), routing_key="session.created")
    await site.until_it_fires("DispatcherMessagesParked")
    env = site.services.of("scheduler")[0].env
    await site.look("DispatcherMessagesParked", env)
    site.follow("DispatcherMessagesParked", env)
    await site.until_it_is_quiet("DispatcherMessagesParked")
    assert b"nonsense" in (site.services.folder / "parked.jsonl").read_bytes()


@tells("DispatcherFaults")
async def a_worker_lacks_the_key_of_the_secrets(site: Watched) -> None:
    [worker] = site.services.of("delivery")
    right = worker.env["DISPATCHER_SECRET_KEYS"]
    wrong = {**worker.env, "DISPATCHER_SECRET_KEYS": right.replace("k1:", "k2:")}
    worker.kill()
    async with publishing(site, "session.completed"):
        with running(worker, wrong):
            await site.until_it_fires("DispatcherFaults")
            await site.look("DispatcherFaults", wrong)
        site.follow("DispatcherFaults", {**wrong, "MISSING_KEY": right})
        await arrival(site, "session.completed")
        await site.until_it_is_quiet("DispatcherFaults")


@tells(
    "DispatcherMostAttemptsFail",
    "DispatcherManyBreakersOpen",
    "DispatcherDeadLettersRising",
    after=("DispatcherFaults",),
)
async def the_way_out_is_gone(site: Watched) -> None:
    site.end("DispatcherFaults")
    [worker] = site.services.of("delivery")
    wrong = {**worker.env, "DISPATCHER_EGRESS_PROXY": f"http://127.0.0.1:{free_port()}"}
    async with publishing(site, "session.created"):
        with running(worker, wrong):
            for alert in ("DispatcherMostAttemptsFail", "DispatcherManyBreakersOpen", "DispatcherDeadLettersRising"):
                await site.until_it_fires(alert)
                await site.look(alert, wrong)
        site.follow("DispatcherMostAttemptsFail", wrong)
        site.follow("DispatcherManyBreakersOpen", another(worker))
        await arrival(site, "session.created")
        await site.until_it_is_quiet("DispatcherMostAttemptsFail")
        await site.until_it_is_quiet("DispatcherManyBreakersOpen")
        await site.follow("DispatcherDeadLettersRising", worker.env).is_done()
        await site.until_it_is_quiet("DispatcherDeadLettersRising")
    assert await site.services.db.deliveries.count_documents({"status": "dead", "event": "session.created"}) == 0


@tells(
    "DispatcherFanoutBacklog",
    "DispatcherDeliveryQueueDeep",
    "DispatcherDeliveriesOverdue",
    "DispatcherSlowToFirstAttempt",
    after=("DispatcherMostAttemptsFail", "DispatcherEventsRefused"),
)
async def fanout_and_the_workers_die(site: Watched) -> None:
    site.end("DispatcherMostAttemptsFail")
    site.end("DispatcherManyBreakersOpen")
    [fanout], [worker] = site.services.of("fanout"), site.services.of("delivery")
    fanout.kill()
    await publish_many(site, "session.progress", 1_100)
    await site.until_it_fires("DispatcherFanoutBacklog")
    await site.look("DispatcherFanoutBacklog", fanout.env)
    site.follow("DispatcherFanoutBacklog", fanout.env)
    await replay_everything(site)
    for alert in ("DispatcherDeliveryQueueDeep", "DispatcherDeliveriesOverdue"):
        await site.until_it_fires(alert)
        await site.look(alert, worker.env)
    await site.until_it_is_quiet("DispatcherFanoutBacklog")
    async with publishing(site, "session.progress"):
        site.follow("DispatcherDeliveryQueueDeep", worker.env)
        await site.until_it_fires("DispatcherSlowToFirstAttempt")
        site.follow("DispatcherDeliveriesOverdue", another(worker))
        await site.look("DispatcherSlowToFirstAttempt", worker.env)
        site.follow("DispatcherSlowToFirstAttempt", another(worker))
        for alert in ("DispatcherDeliveryQueueDeep", "DispatcherDeliveriesOverdue", "DispatcherSlowToFirstAttempt"):
            await site.until_it_is_quiet(alert)


@contextmanager
def running(service: ServiceProcess, env: dict[str, str]) -> Iterator[None]:
    """In its place, and by other settings."""
    wrong = ServiceProcess(service.name, env, service.log, service.port)
    wrong.start()
    try:
        yield
    finally:
        wrong.kill()


def another(service: ServiceProcess) -> dict[str, str]:
    """For one more copy, which nobody scrapes."""
    return {**service.env, f"DISPATCHER_{service.name.upper()}_PORT": "0"}


def publishing(site: Watched, event_type: str) -> AbstractAsyncContextManager[None]:
    async def publish() -> None:
        assert await post(site, site.services.ingest, event_type) == 202

    return again_and_again(publish, every=0.5)


async def arrival(site: Watched, event_type: str) -> None:
    """One more."""
    requests = site.endpoint.requests
    before = len(requests)
    await site.until(lambda: any(one.path == f"/{event_type}" for one in requests[before:]), f"no {event_type} arrives")


async def publish_many(site: Watched, event_type: str, events: int) -> None:
    """One message each, by a producer who says when."""
    body = json.dumps(event(event_type)).encode()
    async with site.services.channel() as channel:
        exchange = await channel.get_exchange("events")
        messages = [aio_pika.Message(body, timestamp=time.time()) for _ in range(events)]
        await asyncio.gather(*(exchange.publish(message, routing_key=event_type) for message in messages))


async def replay_everything(site: Watched) -> None:
    """Of one webhook whose deliveries have ended."""
    webhook = (await site.services.db.deliveries.find_one({"event": "session.created"}))["webhook_id"]
    wanted = {"which": "all", "since": "2020-01-01T00:00:00Z", "per_second": 1_000}
    url = f"{site.services.api}/api/v1/webhooks/{webhook}/replay"
    async with site.services.http.post(url, json=wanted) as response:
        assert response.status == 202, await response.text()
