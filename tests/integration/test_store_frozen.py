"""Documents and dead letters as version 1 wrote them are read today, and today's have their shape."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import pytest_asyncio
from bson import json_util

from deploy.local.servers import Server
from services.delivery.recorder import Recorder
from shared.broker.publisher import Publisher
from shared.contracts.delivery import Attempt, Dead, DeliveryRecord, Outcome, Step
from shared.contracts.event import AcceptedEvent
from shared.contracts.failure import ErrorKind
from shared.contracts.message import QueuedDelivery
from shared.disabling import Disabling
from shared.ids import event_key
from shared.promoter import Promoter
from shared.promotion import Promotion
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.mongo import Mongo
from shared.store.secrets import SecretBox
from shared.store.webhooks import Webhooks
from tests.cluster import SECRET_KEYS, TENANT
from tests.integration.test_store import opened, webhook

V1 = Path(__file__).resolve().parents[1] / "fixtures/v1"
NOON = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)


def frozen(name: str) -> dict[str, Any]:
    options = json_util.CANONICAL_JSON_OPTIONS.with_options(tz_aware=True, tzinfo=UTC)
    document: dict[str, Any] = json_util.loads((V1 / f"{name}-document.json").read_text(), json_options=options)
    return document


def shape(value: Any) -> Any:
    """Names and kinds without the values; None is a value of any kind."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, bool) or value is None:
        return "bool" if value is not None else "null"
    return "number" if isinstance(value, int | float) else type(value).__name__.lower()


def same_shape(old: Any, new: Any) -> bool:
    """Every name that was there is still there, with a value of the same kind; names may be added."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(name in new and same_shape(old[name], new[name]) for name in old)
    if isinstance(old, list):
        return isinstance(new, list) and (not old or not new or same_shape(old[0], new[0]))
    return "null" in (old, new) or old == new


@pytest_asyncio.fixture(loop_scope="session")
async def mongo(mongodb: Server) -> Any:
    async with opened(mongodb.url) as made:
        yield made


async def test_a_webhook_of_version_1(mongo: Mongo) -> None:
    webhooks = Webhooks(mongo, SecretBox(SECRET_KEYS))
    document = frozen("webhook")
    await mongo.db.webhooks.insert_one(document)
    read = await webhooks.get(document["_id"])
    assert read
    assert read.secrets == ("your-webhook-secret",)
    assert read.event_types == ("package.processing.completed", "session.*")
    assert (read.filter, read.max_attempts, read.version) == ({"field": "score.scaled", "gte": 0.8}, 5, 3)
    assert read.created_at == NOON
    await webhooks.insert(webhook(mongo, "webhook_new"))
    written = await mongo.db.webhooks.find_one({"_id": "webhook_new"})
    assert same_shape({**shape(document), "filter": "null"}, shape(written))


async def test_an_event_of_version_1(mongo: Mongo) -> None:
    events = Events(mongo, retention=timedelta(days=10))
    document = frozen("event")
    await mongo.db.events.insert_one(document)
    read = (await events.get([event_key(TENANT, "event_1")]))[event_key(TENANT, "event_1")]
    assert read.data == b'{"session_id":"s", "n":18446744073709551616,"x":1.10}'
    assert (read.type, read.timestamp) == ("session.created", "2025-01-15T10:30:00.000Z")
    await events.mark([AcceptedEvent(TENANT, "event_2", "session.created", read.timestamp, b"{}")])
    written = await mongo.db.events.find_one({"_id": event_key(TENANT, "event_2")})
    assert same_shape(shape(document), shape(written))


class Caught:
    """Stands for the publisher."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def publish(self, _exchange: str, _routing_key: str, body: bytes) -> None:
        self.bodies.append(body)


async def test_a_delivery_and_a_dead_letter_of_version_1(mongo: Mongo) -> None:
    deliveries = Deliveries(mongo, retention=timedelta(days=7))
    document, letter = frozen("delivery"), json.loads((V1 / "dead-letter.json").read_bytes())
    await mongo.db.deliveries.insert_one(document)
    record = DeliveryRecord.of((await deliveries.get(["delivery_0f"]))["delivery_0f"])
    assert record == DeliveryRecord.model_validate(letter["delivery"])
    assert (record.status, record.attempts[0].answer) == ("dead", "no \ufffd room")

    body = msgspec.Raw(b"{}")
    fresh = QueuedDelivery(
        id="new", tenant_id=TENANT, webhook_id="w", event_id="e", event="session.created", created_at=0, body=body
    )
    await deliveries.insert([fresh], mongo.now())
    failed = Attempt("k", 1, 1, 1, mongo.now(), 9, Outcome.RETRY, 503, ErrorKind.HTTP_STATUS, "detail", b"no room")
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
    await recorder.record([Step("new", TENANT, mongo.now(), 1, Dead("attempts_exhausted"), failed)])
    assert same_shape(shape(document), shape((await deliveries.get(["new"]))["new"]))
    (published,) = map(json.loads, caught.bodies)
    assert same_shape(shape(letter), shape(published))
    assert list(published["delivery"])[: len(letter["delivery"])] == list(letter["delivery"])


@pytest.mark.parametrize("name", ["webhook", "event", "delivery"])
def test_every_document_carries_its_version(name: str) -> None:
    assert frozen(name)["v"] == 1
