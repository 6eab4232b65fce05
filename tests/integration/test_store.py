"""Deliveries, events, webhooks and the small collections on a real MongoDB: each step of a life is one write."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from deploy.local.servers import Server
from shared.contracts.delivery import ATTEMPTS_KEPT, Attempt, Dead, Decision, Outcome, Step, Succeeded, Wait, WaitingFor
from shared.contracts.event import AcceptedEvent
from shared.contracts.message import QueuedDelivery
from shared.contracts.trace import Trace
from shared.contracts.webhook import Webhook
from shared.errors import Refused
from shared.ids import event_key
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.idempotency import IdempotencyKeys
from shared.store.keys import Keys
from shared.store.markers import Markers
from shared.store.mongo import Mongo
from shared.store.secrets import SecretBox
from shared.store.webhooks import Webhooks
from tests.cluster import SECRET_KEYS

_names = count(1)
DAY = timedelta(days=1)


@asynccontextmanager
async def opened(url: str, timeout_seconds: float = 10) -> AsyncIterator[Mongo]:
    """A database of its own, dropped at the end."""
    name = f"store_{os.getpid()}_{next(_names)}"
    mongo = Mongo(url=url, database=name, timeout_seconds=timeout_seconds)
    await mongo.start()
    try:
        async with asyncio.timeout(20):
            await mongo.ready()
        yield mongo
        await mongo.db.client.drop_database(name)
    finally:
        await mongo.stop(0)


@pytest_asyncio.fixture(loop_scope="session")
async def mongo(mongodb: Server) -> AsyncIterator[Mongo]:
    async with opened(mongodb.url) as made:
        yield made


@pytest.fixture
def deliveries(mongo: Mongo) -> Deliveries:
    return Deliveries(mongo, retention=DAY)


def queued(name: str, mongo: Mongo, **changes: Any) -> QueuedDelivery:
    fields: dict[str, Any] = {
        "webhook_id": "webhook_1",
        "event_id": "e",
        "event": "session.created",
        "created_at": mongo.seconds(),
        **changes,
    }
    return QueuedDelivery(id=name, tenant_id="t", body=msgspec.Raw(b"{}"), **fields)


def step(mongo: Mongo, name: str, decision: Decision, *, n: int = 1, turn: int = 1, key: str = "") -> Step:
    outcome = Outcome.SUCCEEDED if isinstance(decision, Succeeded) else Outcome.RETRY
    attempt = Attempt(
        key=key or f"{name}-{turn}-{n}", n=n, turn=turn, round=1, at=mongo.now(), duration_ms=3, outcome=outcome
    )
    return Step(name, "t", mongo.now(), turn, decision, attempt)


def retry(mongo: Mongo, seconds: float = -1) -> Wait:
    return Wait(mongo.now() + timedelta(seconds=seconds), WaitingFor.RETRY)


async def one(deliveries: Deliveries, name: str) -> dict[str, Any]:
    return (await deliveries.get([name]))[name]


async def test_what_was_inserted_before_is_answered_and_left_alone(mongo: Mongo, deliveries: Deliveries) -> None:
    assert await deliveries.insert([queued("a", mongo), queued("b", mongo)], mongo.now()) == set()
    await deliveries.record([step(mongo, "a", Succeeded())])
    assert await deliveries.insert([queued(n, mongo) for n in "abc"], mongo.now()) == {"a", "b"}
    statuses = {name: document["status"] for name, document in (await deliveries.get("abc")).items()}
    assert statuses == {"a": "succeeded", "b": "pending", "c": "pending"}


async def test_an_attempt_and_what_is_next_are_one_write(mongo: Mongo, deliveries: Deliveries) -> None:
    await deliveries.insert([queued("a", mongo)], mongo.now())
    await deliveries.record([step(mongo, "a", retry(mongo, 60))])
    document = await one(deliveries, "a")
    assert (document["status"], document["waiting_for"], document["attempt_count"]) == ("waiting", "retry", 1)
    assert len(document["attempts"]) == 1
    assert "expires_at" not in document


async def test_an_ended_delivery_expires_and_a_living_one_does_not(mongo: Mongo, deliveries: Deliveries) -> None:
    await deliveries.insert([queued("a", mongo)], mongo.now())
    await deliveries.record([step(mongo, "a", Dead("attempts_exhausted"))])
    document = await one(deliveries, "a")
    assert document["reason"] == "attempts_exhausted"
    assert document["expires_at"] - document["ended_at"] == DAY
    assert "due_at" not in document


async def test_success_wins_whatever_its_turn(mongo: Mongo, deliveries: Deliveries) -> None:
    await deliveries.insert([queued("a", mongo)], mongo.now())
    await deliveries.claim_again(["a"], "claim", mongo.now())
    await deliveries.record([step(mongo, "a", Succeeded(), turn=1)])
    assert (await one(deliveries, "a"))["status"] == "succeeded"
    await deliveries.record([step(mongo, "a", Dead("attempts_exhausted"), turn=2, n=2)])
    document = await one(deliveries, "a")
    assert document["status"] == "succeeded"
    assert "reason" not in document
    assert [attempt["outcome"] for attempt in document["attempts"]] == ["succeeded", "retry"]


async def test_a_failure_of_an_older_turn_goes_to_the_history_only(mongo: Mongo, deliveries: Deliveries) -> None:
    await deliveries.insert([queued("a", mongo)], mongo.now())
    await deliveries.claim_again(["a"], "claim", mongo.now())
    await deliveries.record([step(mongo, "a", Dead("attempts_exhausted"), turn=1)])
    document = await one(deliveries, "a")
    assert (document["status"], document["turn"]) == ("pending", 2)
    assert [attempt["turn"] for attempt in document["attempts"]] == [1]


async def test_a_decision_without_attempt_counts_only_under_its_own_turn(mongo: Mongo, deliveries: Deliveries) -> None:
    await deliveries.insert([queued("a", mongo)], mongo.now())
    await deliveries.claim_again(["a"], "claim", mongo.now())
    await deliveries.record([Step("a", "t", mongo.now(), 1, Dead("webhook_inactive"))])
    assert (await one(deliveries, "a"))["status"] == "pending"


async def test_writing_the_same_steps_again_changes_nothing(mongo: Mongo, deliveries: Deliveries) -> None:
    await deliveries.insert([queued(name, mongo) for name in "abcd"], mongo.now())
    steps = [
        step(mongo, "a", Succeeded()),
        step(mongo, "b", retry(mongo, 60)),
        step(mongo, "c", Dead("gone")),
        Step("d", "t", mongo.now(), 1, retry(mongo, 60)),
    ]
    await deliveries.record(steps)
    before = await deliveries.get("abcd")
    await deliveries.record(steps)
    assert await deliveries.get("abcd") == before


async def test_the_history_keeps_the_last_attempts(mongo: Mongo, deliveries: Deliveries) -> None:
    await deliveries.insert([queued("a", mongo)], mongo.now())
    await deliveries.record([step(mongo, "a", retry(mongo), n=n) for n in range(1, ATTEMPTS_KEPT + 6)])
    document = await one(deliveries, "a")
    assert [attempt["n"] for attempt in document["attempts"]] == list(range(6, ATTEMPTS_KEPT + 6))
    assert document["attempt_count"] == ATTEMPTS_KEPT + 5


async def test_two_claimers_at_once_get_each_delivery_once(mongo: Mongo, deliveries: Deliveries) -> None:
    names = [f"d{n}" for n in range(60)]
    await deliveries.insert([queued(name, mongo) for name in names], mongo.now())
    await deliveries.record([step(mongo, name, retry(mongo)) for name in names])
    claims = await asyncio.gather(*(deliveries.claim_due(names, f"claim-{n}", mongo.now()) for n in range(4)))
    got = [document["_id"] for claim in claims for document in claim]
    assert sorted(got) == sorted(names)
    document = await one(deliveries, "d0")
    assert (document["status"], document["turn"]) == ("pending", 2)
    assert "due_at" not in document
    assert "waiting_for" not in document


async def test_what_is_not_due_cannot_be_claimed(mongo: Mongo, deliveries: Deliveries) -> None:
    await deliveries.insert([queued(name, mongo) for name in "ab"], mongo.now())
    await deliveries.record([step(mongo, "a", retry(mongo, -5)), step(mongo, "b", retry(mongo, 60))])
    assert [name for name, _ in await deliveries.due(10)] == ["a", "b"]
    assert [name for name, _ in await deliveries.due(10, mongo.now() + timedelta(seconds=30))] == ["a"]
    assert [name for name, _ in await deliveries.due(10, mongo.now() + timedelta(seconds=70))] == ["a", "b"]
    claimed = await deliveries.claim_due(["a", "b"], "claim", mongo.now())
    assert [document["_id"] for document in claimed] == ["a"]


async def test_who_has_a_slot_when_inserted_waits_for_it_as_if_a_worker_had_put_it_off(
    mongo: Mongo, deliveries: Deliveries
) -> None:
    now = mongo.now()
    await deliveries.insert([queued("before", mongo)], now)
    slot = now - timedelta(seconds=1)
    slots = {"before": slot, "new": slot}
    made = [queued(name, mongo) for name in ("before", "new", "at-once")]
    assert await deliveries.insert(made, now, slots) == {"before"}
    assert await deliveries.insert(made, now, slots) == {"before", "new", "at-once"}
    put_off = Step("at-once", "t", now, 1, Wait(slot, WaitingFor.SLOT))
    await deliveries.record([put_off])
    assert (await one(deliveries, "before"))["status"] == "pending", "it stays as it was"
    new, at_once = await one(deliveries, "new"), await one(deliveries, "at-once")
    del at_once["handed_at"]
    assert {**new, "_id": ""} == {**at_once, "_id": ""}
    [claimed] = await deliveries.claim_due(["before", "new"], "claim", now)
    assert (claimed["_id"], claimed["turn"]) == ("new", 2)


async def test_lost_is_what_was_handed_over_long_ago_and_never_decided(mongo: Mongo, deliveries: Deliveries) -> None:
    now, long_ago = mongo.now(), mongo.now() - timedelta(hours=1)
    await deliveries.insert([queued("old", mongo), queued("decided", mongo)], long_ago)
    await deliveries.insert([queued("new", mongo)], now)
    await deliveries.record([step(mongo, "decided", Succeeded())])
    before = now - timedelta(minutes=1)
    assert await deliveries.lost({"$eq": 1}, before, 10) == ["old"]
    assert await deliveries.lost({"$gt": 1}, before, 10) == []
    claims = await asyncio.gather(*(deliveries.claim_lost(["old", "new"], before, f"c{n}", now) for n in range(3)))
    assert [document["_id"] for claim in claims for document in claim] == ["old"]
    assert (await one(deliveries, "old"))["turn"] == 2


async def test_faults_are_counted_under_their_turn_and_an_attempt_clears_them(
    mongo: Mongo, deliveries: Deliveries
) -> None:
    await deliveries.insert([queued("a", mongo)], mongo.now())
    assert [await deliveries.count_fault("a", 1) for _ in range(3)] == [1, 2, 3]
    assert await deliveries.count_fault("a", 2) is None
    await deliveries.record([step(mongo, "a", retry(mongo))])
    assert (await one(deliveries, "a"))["faults"] == 0
    assert await deliveries.count_fault("a", 1) is None


async def test_resuming_brings_forward_only_what_waits_for_it(mongo: Mongo, deliveries: Deliveries) -> None:
    later = mongo.now() + timedelta(hours=1)
    await deliveries.insert(
        [queued("paused", mongo), queued("retrying", mongo), queued("other", mongo, webhook_id="webhook_2")],
        mongo.now(),
    )
    await deliveries.record(
        [
            Step("paused", "t", mongo.now(), 1, Wait(later, WaitingFor.RESUME)),
            Step("retrying", "t", mongo.now(), 1, Wait(later, WaitingFor.RETRY)),
            Step("other", "t", mongo.now(), 1, Wait(later, WaitingFor.RESUME)),
        ]
    )
    assert await deliveries.bring_forward("webhook_1", mongo.now(), WaitingFor.RESUME) == 1
    due = [
        document["_id"] for document in await deliveries.claim_due(["paused", "retrying", "other"], "c", mongo.now())
    ]
    assert due == ["paused"]


async def test_no_query_of_the_hot_paths_scans_a_collection(mongo: Mongo, deliveries: Deliveries) -> None:
    now, long_ago = mongo.now(), mongo.now() - timedelta(hours=1)
    names = [f"d{n}" for n in range(200)]
    await deliveries.insert([queued(name, mongo, webhook_id=f"webhook_{name}") for name in names], long_ago)
    await deliveries.record([step(mongo, name, retry(mongo, 3600)) for name in names[10:]])
    await mongo.db.command("profile", 2)
    await deliveries.due(5)
    await deliveries.lost({"$eq": 1}, now, 5)
    await mongo.db.command("profile", 0)
    queries = await mongo.db["system.profile"].find({"command.find": "deliveries"}).to_list(None)
    assert len(queries) == 2
    for query in queries:
        assert query["planSummary"].startswith("IXSCAN"), query["planSummary"]
        assert query["docsExamined"] <= 10, query["planSummary"]
        assert not query.get("hasSortStage"), query["planSummary"]


def accepted(event_id: str, data: bytes = b"{}", tenant_id: str = "t") -> AcceptedEvent:
    return AcceptedEvent(tenant_id, event_id, "session.created", "2025-01-15T10:30:00.000Z", data)


async def test_an_event_keeps_its_bytes_and_its_first_form(mongo: Mongo) -> None:
    events = Events(mongo, retention=DAY)
    data = b'{ "n":18446744073709551616, "price":1.10,"a":1}'
    await events.mark([accepted("e1", data)])
    await events.mark([accepted("e1", b"{}"), accepted("e2"), accepted("e1", b"[]", "other")])
    keys = [event_key("t", "e1"), event_key("t", "e2"), event_key("t", "e3"), event_key("other", "e1")]
    assert await events.marked(keys) == set(keys) - {event_key("t", "e3")}
    assert (await events.get(keys))[keys[0]] == accepted("e1", data)


async def test_an_event_keeps_its_place_in_a_trace(mongo: Mongo) -> None:
    events = Events(mongo, retention=timedelta(days=1))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    traces = {"none": None, "one": Trace(parent), "one with a state": Trace(parent, "vendor=x")}
    await events.mark([msgspec.structs.replace(accepted(name), trace=trace) for name, trace in traces.items()])
    found = await events.get([event_key("t", name) for name in traces])
    assert {event.event_id: event.trace for event in found.values()} == traces


async def test_one_of_many_schedulers_sends_each_marker(mongo: Mongo) -> None:
    markers = Markers(mongo)
    turns = await asyncio.gather(*(markers.turn_to_send("deliveries", timedelta(hours=1)) for _ in range(8)))
    assert sum(turns) == 1
    assert await markers.last_arrived("deliveries") is None
    await markers.arrived("deliveries", 2000)
    await markers.arrived("deliveries", 1000)
    arrived = await markers.last_arrived("deliveries")
    assert arrived
    assert arrived.timestamp() == 2000
    assert not await markers.turn_to_send("deliveries", timedelta(hours=1))


async def test_an_idempotency_key_is_one_body_s(mongo: Mongo) -> None:
    keys = IdempotencyKeys(mongo, lifetime=DAY)
    await asyncio.gather(*(keys.claim("key_1", "k", "hash") for _ in range(3)))
    await keys.claim("key_2", "k", "other")
    with pytest.raises(Refused) as refused:
        await keys.claim("key_1", "k", "other")
    assert (refused.value.status, refused.value.code) == (409, "DUPLICATE_ENTRY")


async def test_keys_are_known_by_their_digest_and_bound_to_their_tenant(mongo: Mongo) -> None:
    keys = Keys(mongo, admin_key="scorm_operator")
    _, secret = await keys.create("t", frozenset({"read"}))
    key = await keys.identify(secret)
    assert (key.tenant_id, key.scopes) == ("t", frozenset({"read"}))
    assert (await keys.identify("scorm_operator")).tenant_id is None
    stored = await mongo.db.api_keys.find_one({})
    assert secret not in str(stored)
    await mongo.db.api_keys.update_one({}, {"$set": {"expires_at": mongo.now() - DAY}})
    fresh = Keys(mongo, admin_key="")
    for given, code in (
        (None, "UNAUTHORIZED"),
        ("", "UNAUTHORIZED"),
        ("scorm_operator", "INVALID_API_KEY"),
        (secret, "EXPIRED_API_KEY"),
    ):
        with pytest.raises(Refused) as refused:
            await fresh.identify(given)
        assert (refused.value.status, refused.value.code) == (401, code)


def webhook(mongo: Mongo, name: str = "webhook_1", **changes: Any) -> Webhook:
    moment = mongo.now().replace(microsecond=0)
    fields: dict[str, Any] = {
        "id": name,
        "tenant_id": "t",
        "url": "https://example.com/hook",
        "event_types": ("session.created",),
        "secrets": ("0123456789abcdef",),
        "is_active": True,
        "paused": False,
        "disabled_reason": None,
        "description": None,
        "filter": {"field": "a.b", "in": [1, "x"]},
        "max_attempts": None,
        "version": 1,
        "created_at": moment,
        "updated_at": moment,
    }
    return Webhook(**{**fields, **changes})


async def test_a_webhook_comes_back_as_it_was_and_its_secret_is_not_in_its_document(mongo: Mongo) -> None:
    webhooks = Webhooks(mongo, SecretBox(SECRET_KEYS))
    made = webhook(mongo)
    await webhooks.insert(made)
    assert await webhooks.get("webhook_1") == made
    assert await webhooks.get("webhook_1", "other-tenant") is None
    assert b"0123456789abcdef" not in bytes((await mongo.db.webhooks.find_one({}))["secrets"][0]["box"])
    changed = await webhooks.change("webhook_1", "t", {"paused": True})
    assert changed
    assert (changed.paused, changed.version) == (True, 2)
    assert await webhooks.change("webhook_1", "other-tenant", {"paused": False}) is None
    await webhooks.deactivate("webhook_1", "gone")
    await webhooks.deactivate("webhook_1", "failing")
    assert (await webhooks.of_tenant("t"))[0].disabled_reason == "gone"
    assert not await webhooks.delete("webhook_1", "other-tenant")
    assert await webhooks.delete("webhook_1", "t")


async def test_a_secret_that_does_not_open_leaves_its_webhook_without_and_its_neighbours_alone(mongo: Mongo) -> None:
    await Webhooks(mongo, SecretBox(SECRET_KEYS)).insert(webhook(mongo))
    other = SecretBox("k2:" + SECRET_KEYS.split(":")[1])
    await Webhooks(mongo, other).insert(webhook(mongo, "webhook_2"))
    found = {made.id: made.secrets for made in await Webhooks(mongo, other).of_tenant("t")}
    assert found == {"webhook_1": (), "webhook_2": ("0123456789abcdef",)}


async def test_of_several_queues_the_earliest_marker_counts_once_each_has_one(mongo: Mongo) -> None:
    markers, sent = Markers(mongo), mongo.seconds()
    for queue in ("deliveries", "deliveries.bulk"):
        await markers.turn_to_send(queue, timedelta(hours=1))
    await markers.arrived("deliveries", sent)
    assert await markers.last_arrived("deliveries", "deliveries.bulk") is None
    await markers.arrived("deliveries.bulk", sent - 600)
    both = await markers.last_arrived("deliveries", "deliveries.bulk")
    assert both == await markers.last_arrived("deliveries.bulk")
    assert both is not None
    assert abs(both.timestamp() - (sent - 600)) < 0.01
