"""Documents and dead letters as version 1 wrote them are read today, and version 1 can read today's."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest
import pytest_asyncio

from deploy.local.servers import Server
from services.delivery.recorder import Recorder
from services.scheduler.replays import Replays
from shared.broker.publisher import Publisher
from shared.contracts.delivery import (
    Attempt,
    Cancelled,
    Dead,
    Decision,
    DeliveryRecord,
    Outcome,
    Step,
    Succeeded,
    Wait,
    WaitingFor,
)
from shared.contracts.event import AcceptedEvent
from shared.contracts.failure import ErrorKind
from shared.contracts.health import BreakerReport, BreakerState, News
from shared.contracts.message import QueuedDelivery
from shared.contracts.replay import Replay
from shared.disabling import Disabling
from shared.ids import event_key
from shared.promoter import Promoter
from shared.promotion import Promotion
from shared.store.by_hand import ByHand
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.health import FailingRule, WebhookHealths
from shared.store.history import History
from shared.store.jobs import REPLAY, Jobs
from shared.store.keys import Keys
from shared.store.mongo import Mongo
from shared.store.secrets import SecretBox
from shared.store.webhooks import Webhooks
from tests.cluster import SECRET_KEYS, TENANT
from tests.frozen import complaints, document, message
from tests.integration.test_store import opened, webhook

NOON = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest_asyncio.fixture(loop_scope="session")
async def mongo(mongodb: Server) -> Any:
    async with opened(mongodb.url) as made:
        yield made


async def test_a_webhook_of_version_1(mongo: Mongo) -> None:
    webhooks = Webhooks(mongo, SecretBox(SECRET_KEYS))
    stored = document("webhook")
    await mongo.db.webhooks.insert_one(stored)
    read = await webhooks.get(stored["_id"])
    assert read
    assert read.secrets == ("your-webhook-secret",)
    assert read.event_types == ("package.processing.completed", "session.*")
    assert (read.filter, read.max_attempts, read.version) == ({"field": "score.scaled", "gte": 0.8}, 5, 3)
    assert read.created_at == NOON
    await webhooks.insert(webhook(mongo, "webhook_new"))
    assert complaints("webhook-document", await mongo.db.webhooks.find_one({"_id": "webhook_new"})) == []
    await webhooks.change("webhook_new", None, {"headers": {"X-Mine": "1"}, "paused": True})
    await webhooks.deactivate("webhook_new", "gone")
    assert complaints("webhook-document", await mongo.db.webhooks.find_one({"_id": "webhook_new"})) == []


async def test_an_event_of_version_1(mongo: Mongo) -> None:
    events = Events(mongo, retention=timedelta(days=10))
    await mongo.db.events.insert_one(document("event"))
    read = (await events.get([event_key(TENANT, "event_1")]))[event_key(TENANT, "event_1")]
    assert read.data == b'{"session_id":"s", "n":18446744073709551616,"x":1.10}'
    assert (read.type, read.timestamp) == ("session.created", "2025-01-15T10:30:00.000Z")
    await events.mark([AcceptedEvent(TENANT, "event_2", "session.created", read.timestamp, b"{}")])
    assert complaints("event-document", await events.find(event_key(TENANT, "event_2"))) == []


class Caught:
    """Stands for the publisher."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def publish(self, _exchange: str, _routing_key: str, body: bytes) -> None:
        self.bodies.append(body)


async def test_a_delivery_and_a_dead_letter_of_version_1(mongo: Mongo) -> None:
    deliveries = Deliveries(mongo, retention=WEEK)
    letter = json.loads(message("dead-letter"))
    await mongo.db.deliveries.insert_one(document("delivery"))
    record = DeliveryRecord.of((await deliveries.get(["delivery_0f"]))["delivery_0f"])
    assert record == DeliveryRecord.model_validate(letter["delivery"])
    assert (record.status, record.attempts[0].answer) == ("dead", "no \ufffd room")

    await deliveries.insert([fresh("new")], mongo.now())
    caught = Caught()
    recorder = Recorder(
        mongo=mongo,
        deliveries=deliveries,
        disabling=Disabling(
            webhooks=Webhooks(mongo, SecretBox(SECRET_KEYS)), publisher=cast("Publisher", caught), clock=mongo.now
        ),
        publisher=cast("Publisher", caught),
        promoter=Promoter(cast("Promotion", None)),
    )
    await recorder.record([Step("new", TENANT, mongo.now(), 1, Dead("attempts_exhausted"), failed(mongo))])
    assert complaints("delivery-document", (await deliveries.get(["new"]))["new"]) == []
    (published,) = caught.bodies
    assert complaints("dead-letter", published) == []
    assert list(json.loads(published)["delivery"])[: len(letter["delivery"])] == list(letter["delivery"])


def fresh(name: str) -> QueuedDelivery:
    body = msgspec.Raw(b"{}")
    return QueuedDelivery(
        id=name, tenant_id=TENANT, webhook_id="w", event_id="e", event="session.created", created_at=0, body=body
    )


def failed(mongo: Mongo) -> Attempt:
    return Attempt("k", 1, 1, 1, mongo.now(), 9, Outcome.RETRY, 503, ErrorKind.HTTP_STATUS, "detail", b"no room")


@pytest.mark.parametrize("why", WaitingFor)
async def test_version_1_reads_a_delivery_that_waits_today(mongo: Mongo, why: WaitingFor) -> None:
    await reads_a_delivery_of(mongo, Wait(mongo.now(), why))


@pytest.mark.parametrize("decision", [Succeeded(), Dead("expired"), Cancelled("webhook_deleted")])
async def test_version_1_reads_a_delivery_that_ends_today(mongo: Mongo, decision: Decision) -> None:
    await reads_a_delivery_of(mongo, decision)


async def reads_a_delivery_of(mongo: Mongo, decision: Decision) -> None:
    deliveries = Deliveries(mongo, retention=WEEK)
    await deliveries.insert([fresh("d")], mongo.now())
    assert complaints("delivery-document", (await deliveries.get(["d"]))["d"]) == []
    await deliveries.record([Step("d", TENANT, mongo.now(), 1, decision, failed(mongo))])
    assert complaints("delivery-document", (await deliveries.get(["d"]))["d"]) == []
    await ByHand(mongo, retention=WEEK).begin_round(["d"], mongo.now())
    assert complaints("delivery-document", (await deliveries.get(["d"]))["d"]) == []


async def test_a_key_of_version_1(mongo: Mongo) -> None:
    keys = Keys(mongo, admin_key="")
    stored = document("key")
    await mongo.db.api_keys.insert_one(stored)
    read = await keys.holder(stored["_id"])
    assert (read.id, read.tenant_id, read.scopes) == (stored["id"], TENANT, {"read", "write"})
    assert read.expires_at == stored["expires_at"]
    made, _ = await keys.create(None, frozenset({"admin"}), name="operators")
    await keys.holder(made["_id"])
    assert complaints("key-document", await mongo.db.api_keys.find_one({"_id": made["_id"]})) == []


async def test_a_replay_of_version_1(mongo: Mongo) -> None:
    jobs, stored = Jobs(mongo), document("replay")
    await mongo.db.jobs.insert_one(stored)
    assert Replay.of(stored).sent == 40
    by_hand = ByHand(mongo, retention=WEEK)
    replays = Replays(mongo=mongo, jobs=jobs, history=History(mongo), by_hand=by_hand)
    claimed = await jobs.claim("mine", mongo.now(), timedelta(seconds=10))
    assert claimed
    assert complaints("replay-document", claimed) == []
    await replays.step(claimed)
    ended = await jobs.get(REPLAY, stored["_id"], TENANT)
    assert ended
    assert (ended["status"], ended["sent"]) == ("done", 40)
    assert complaints("replay-document", ended) == []


async def test_health_of_version_1(mongo: Mongo) -> None:
    healths, stored = WebhookHealths(mongo), document("health")
    await mongo.db.webhook_health.insert_one(stored)
    read = (await healths.of([stored["_id"]]))[stored["_id"]]
    assert (read.failures, read.last_error) == (21, "the endpoint answered 503")
    assert (read.breaker, read.last_failure_at) == (BreakerState.CLOSED, "2025-01-15T10:30:00.000Z")
    assert await healths.failing(FailingRule(20, 3, timedelta(days=5))) == [stored["_id"]]
    now = mongo.now()
    news = News(
        "w", TENANT, failure_at=now, slow_at=now, deferred_until=now, error="e", failures=1, days={"2026-01-02"}
    )
    for told in (news, News("w", TENANT, success_at=now)):
        await healths.save([told], "worker", {"w": BreakerReport(now, now)}, [])
        assert complaints("health-document", await mongo.db.webhook_health.find_one({"_id": "w"})) == []
