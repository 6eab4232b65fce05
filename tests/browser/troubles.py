"""Endpoints in every kind of trouble, each with a webhook and a delivery that has met it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
from aiohttp import web

from services.api.dashboard.words import standing
from services.api.parked import ParkedAsked, ParkedService
from shared.broker.lookout import Lookout
from shared.broker.topology import EVENTS
from shared.contracts.event_types import EVENT_TYPES
from shared.contracts.webhook import WebhookAnswer
from tests.certificates import Authority, serving
from tests.cluster import TENANT, Cluster, Received, receiver, until
from tests.integration.endpoints import endpoint
from tests.integration.hostile import once

AUTHORITY = Authority()
SETTINGS = {
    "ATTEMPT_TIMEOUT_SECONDS": "3",
    "BREAKER_FAILURES": "3",
    "BREAKER_PROBE_SECONDS": "3600",
    "RETRY_BASE_SECONDS": "3600",  # what has been met stays to be looked at
    "API_REQUESTS_PER_MINUTE": "0",
}
ONCE, OFTEN = "session.created", "session.progress"
_TIMES = 4

Delivery = Mapping[str, Any]


async def _hangs(_request: web.Request, _received: Received) -> int:
    await asyncio.sleep(30)
    return 200


@dataclass(frozen=True)
class Trouble:
    """What the endpoint answers, what the webhook has set, and how it and a delivery show that the trouble was met."""

    standing: str
    met: Callable[[Delivery], bool]
    answers: Callable[[web.Request, Received], Any] = lambda _request, _received: 200
    expired: bool = False  # its certificate
    often: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)


def _status(code: int) -> Callable[[web.Request, Received], Any]:
    return lambda _request, _received: code


def _answered(code: int) -> Callable[[Delivery], bool]:
    return lambda delivery: any(attempt["status_code"] == code for attempt in delivery["attempts"])


def _failed(error: str) -> Callable[[Delivery], bool]:
    return lambda delivery: any(attempt["error"] == error for attempt in delivery["attempts"])


def _waits(reason: str) -> Callable[[Delivery], bool]:
    return lambda delivery: delivery["waiting_for"] == reason


TROUBLES: Mapping[str, Trouble] = {
    "healthy": Trouble("healthy", _answered(200)),
    "slow": Trouble("troubled", _failed("timeout"), _hangs),
    "failing": Trouble("failing", _answered(500), _status(500), often=True),
    "gone": Trouble("inactive", _answered(410), _status(410)),
    "tls": Trouble("troubled", _failed("tls"), expired=True),
    "limited": Trouble("healthy", _waits("rate_limit"), often=True, fields={"rate_limit": 0.01}),
    "paused": Trouble("paused", _waits("resume")),
    "missing": Trouble("troubled", _answered(404), _status(404), fields={"max_attempts": 1}),
}


def authority_file(folder: Path) -> str:
    """For EGRESS_CA_FILE: nothing is wrong with the certificates but their age."""
    path = folder / "authority.pem"
    path.write_bytes(AUTHORITY.pem)
    return str(path)


@asynccontextmanager
async def troubled(services: Cluster, folder: Path) -> AsyncIterator[dict[str, dict[str, str]]]:
    """All of them, met; answers the ids of each, by name."""
    async with AsyncExitStack() as stack:
        webhooks = {}
        for name, trouble in TROUBLES.items():
            url = f"{await stack.enter_async_context(_listening(trouble, folder))}/hooks/{name}"
            fields = {"event_types": [ONCE, OFTEN] if trouble.often else [ONCE], **trouble.fields}
            webhooks[name] = (await services.create_webhook(url, **fields))["id"]
        address = f"{services.api}/api/v1/webhooks/{webhooks['paused']}"
        async with services.http.patch(address, json={"paused": True}) as response:
            assert response.status == 200
        await _publish(services)
        met = {name: await _ids(services, name, webhook_id) for name, webhook_id in webhooks.items()}
        met["missing"]["replay_id"] = await _replayed(services, webhooks["missing"])
        met["missing"] |= await _ids(services, "missing", webhooks["missing"])
        yield {**met, "parked": {"parked_id": await _parked(services)}}


@asynccontextmanager
async def _listening(trouble: Trouble, folder: Path) -> AsyncIterator[str]:
    if not trouble.expired:
        async with receiver(trouble.answers) as made:
            yield made.url
        return
    async with endpoint(once(b""), _expired(folder)) as port:
        yield f"https://localhost:{port}"


def _expired(folder: Path) -> ssl.SSLContext:
    return serving(AUTHORITY.sign("localhost", days=(-9, -2)), folder)


async def _publish(services: Cluster) -> None:
    """And one message that nobody can use."""
    for kind in (*[OFTEN] * _TIMES, ONCE):
        event = {"event": kind, "tenant_id": TENANT, "data": EVENT_TYPES[kind].example}
        async with services.http.post(services.ingest + "/api/v1/events", json=event) as response:
            assert response.status == 202
    async with services.channel() as channel:
        exchange = await channel.get_exchange(EVENTS, ensure=False)
        await exchange.publish(aio_pika.Message(b"{no event", message_id="no event"), ONCE)


async def _ids(services: Cluster, name: str, webhook_id: str) -> dict[str, str]:
    """Once all is known of it: of the delivery that will show the trouble longest."""
    trouble = TROUBLES[name]
    found: list[dict[str, Any]] = []

    async def met() -> bool:
        found[:] = [one for one in await services.deliveries(webhook_id) if trouble.met(one)]
        async with services.http.get(f"{services.api}/api/v1/webhooks/{webhook_id}") as response:
            webhook = WebhookAnswer.model_validate(await response.json())
        return bool(found) and standing(webhook).word == trouble.standing

    await until(met, 40, lambda: f"{name}\n{services.logs()}")
    last = max(found, key=lambda one: one["due_at"] or "")
    ids = {"webhook_id": webhook_id, "delivery_id": last["id"], "event_id": last["event_id"]}
    return {"tenant_id": TENANT, **ids}


async def _replayed(services: Cluster, webhook_id: str) -> str:
    """All that failed there, which fails again."""
    address = f"{services.api}/api/v1/webhooks/{webhook_id}/replay"
    async with services.http.post(address, json={"since": "2025-01-15T10:00:00.000Z"}) as response:
        answer = await response.json()
        assert response.status == 202, answer

    async def done() -> bool:
        async with services.http.get(f"{services.api}/api/v1/replays/{answer['id']}") as response:
            ended = (await response.json())["status"] == "done"
        return ended and all(one["status"] == "dead" for one in await services.deliveries(webhook_id))

    await until(done, 40, services.logs)
    return str(answer["id"])


async def _parked(services: Cluster) -> str:
    lookout = Lookout(url=services.amqp_url, name="test")
    try:
        look = await ParkedService(lookout).look(ParkedAsked().wanted())
        return look.rows[0].id
    finally:
        await lookout.stop(0)
