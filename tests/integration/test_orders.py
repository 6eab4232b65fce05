"""The order of an ordered webhook's deliveries, whoever inserts them and however often, on a real MongoDB."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
import pytest_asyncio

from deploy.local.servers import Server
from shared.broker.publisher import Publisher
from shared.contracts.delivery import Dead, Decision, Status, Step, Succeeded, Wait, WaitingFor
from shared.contracts.event import AcceptedEvent
from shared.contracts.message import DeliveryMessage, QueuedDelivery, decode
from shared.handover import HandOver
from shared.promotion import Promotion
from shared.store.by_hand import ByHand
from shared.store.deliveries import Deliveries
from shared.store.events import COMES_WITHIN, Events
from shared.store.mongo import Mongo
from shared.store.orders import Orders
from tests.integration.test_store import DAY, one, opened, queued

WEBHOOK = "webhook_1"
NOW = timedelta(0)


@pytest_asyncio.fixture(loop_scope="session")
async def mongo(mongodb: Server) -> AsyncIterator[Mongo]:
    async with opened(mongodb.url) as made:
        yield made


@pytest.fixture
def orders(mongo: Mongo) -> Orders:
    return Orders(mongo, retention=DAY, look_every=timedelta(seconds=60))


@pytest.fixture
def deliveries(mongo: Mongo) -> Deliveries:
    return Deliveries(mongo, retention=DAY)


class Caught:
    """Stands for the publisher."""

    def __init__(self) -> None:
        self.handed: list[tuple[str, list[QueuedDelivery]]] = []

    async def publish(self, _exchange: str, routing_key: str, body: bytes) -> None:
        message = decode(body)
        assert isinstance(message, DeliveryMessage)
        self.handed.append((routing_key, message.deliveries))


class Site:
    """A webhook whose deliveries are handed to nobody."""

    def __init__(self, mongo: Mongo, orders: Orders, deliveries: Deliveries) -> None:
        self.mongo = mongo
        self.orders = orders
        self.deliveries = deliveries
        self.events = Events(mongo, retention=DAY)
        self.caught = Caught()
        hand_over = HandOver(mongo=mongo, deliveries=deliveries, publisher=cast("Publisher", self.caught))
        self.promotion = Promotion(
            mongo=mongo, orders=orders, deliveries=deliveries, events=self.events, hand_over=hand_over
        )

    async def add(self, *names: str, webhook_id: str = WEBHOOK) -> None:
        """With their events marked."""
        await self.events.mark([AcceptedEvent("t", name, "session.created", "", b"{}") for name in names])
        made = [queued(name, self.mongo, event_id=name, webhook_id=webhook_id) for name in names]
        await self.orders.insert(webhook_id, made)

    async def promote(self, *webhook_ids: str) -> list[str]:
        """Answers what that handed over."""
        self.caught.handed.clear()
        await self.promotion.promote(webhook_ids or (WEBHOOK,))
        return [delivery.id for _, deliveries in self.caught.handed for delivery in deliveries]

    async def decide(self, name: str, decision: Decision) -> None:
        document = await one(self.deliveries, name)
        await self.deliveries.record([Step(name, "t", document["created_at"], document["turn"], decision)])


@pytest.fixture
def site(mongo: Mongo, orders: Orders, deliveries: Deliveries) -> Site:
    return Site(mongo, orders, deliveries)


async def in_order(mongo: Mongo) -> list[str]:
    found = await mongo.db.deliveries.find({"order": {"$exists": True}}).sort("order", 1).to_list(None)
    return [document["_id"] for document in found]


async def test_deliveries_wait_in_the_order_in_which_they_were_inserted(
    mongo: Mongo, orders: Orders, deliveries: Deliveries
) -> None:
    assert await orders.insert(WEBHOOK, [queued(name, mongo) for name in "db"]) == 2
    assert await orders.insert(WEBHOOK, [queued(name, mongo) for name in "ca"]) == 2
    assert await in_order(mongo) == ["d", "b", "c", "a"]
    document = await one(deliveries, "d")
    assert (document["status"], document["waiting_for"], document["turn"]) == ("waiting", "order", 0)
    assert (document["order"], document["sequence"]) == (1, 1)
    assert "due_at" not in document
    assert await deliveries.due(10) == []


async def test_one_that_comes_again_keeps_its_place_and_what_is_new_stands_behind(mongo: Mongo, orders: Orders) -> None:
    await orders.insert(WEBHOOK, [queued(name, mongo) for name in "ab"])
    assert await orders.insert(WEBHOOK, [queued(name, mongo) for name in "abcd"]) == 2
    assert await orders.insert(WEBHOOK, [queued(name, mongo) for name in "abcd"]) == 0
    assert await in_order(mongo) == list("abcd")


async def fan_out(mongo: Mongo, made: Sequence[QueuedDelivery], dice: random.Random) -> None:
    """One process: the same deliveries in the same order, in batches of its own."""
    orders = Orders(mongo, retention=DAY, look_every=DAY)
    at = 0
    while at < len(made):
        size = dice.randint(1, 12)
        await orders.insert(WEBHOOK, made[at : at + size])
        at += size


@pytest.mark.parametrize("seed", range(6))
async def test_fan_outs_that_are_at_the_same_events_keep_one_order(mongo: Mongo, seed: int) -> None:
    """One that was thought dead goes on, while another got its messages."""
    made = [queued(f"{number:03}", mongo) for number in range(150)]
    await asyncio.gather(*(fan_out(mongo, made, random.Random(f"{seed}-{n}")) for n in range(3)))
    assert await in_order(mongo) == [delivery.id for delivery in made]


async def test_what_is_there_is_never_without_what_comes_before_it(mongo: Mongo) -> None:
    made = [queued(f"{number:03}", mongo) for number in range(300)]
    working = [asyncio.create_task(fan_out(mongo, made, random.Random(n))) for n in range(2)]
    while not all(task.done() for task in working):
        found = await in_order(mongo)
        assert found == [delivery.id for delivery in made[: len(found)]]
    await asyncio.gather(*working)


async def test_only_the_first_is_handed_over_and_only_once(site: Site) -> None:
    await site.add("a", "b")
    assert await site.promote() == ["a"]
    assert await site.promote() == []
    document = await one(site.deliveries, "a")
    assert (document["status"], document["turn"]) == ("pending", 1)


async def test_a_first_turn_goes_the_way_of_fresh_deliveries_in_a_message_of_its_own(site: Site) -> None:
    await site.add("a", "b")
    await site.add("c", webhook_id="webhook_2")
    assert sorted(await site.promote(WEBHOOK, "webhook_2", "webhook_3")) == ["a", "c"]
    assert [(queue, len(found)) for queue, found in site.caught.handed] == [("deliveries", 1)] * 2
    assert all(delivery.ordered and delivery.turn == 1 for _, [delivery] in site.caught.handed)


@pytest.mark.parametrize("decision", [Succeeded(), Dead("attempts_exhausted")])
async def test_the_next_is_handed_over_when_the_one_before_has_ended(site: Site, decision: Decision) -> None:
    await site.add("a", "b")
    await site.promote()
    later = Wait(site.mongo.now() + DAY, WaitingFor.RETRY)
    await site.decide("a", later)
    assert await site.promote() == [], "while the one before is being retried"
    await site.decide("a", decision)
    assert await site.promote() == ["b"]
    ended = await one(site.deliveries, "a")
    assert (ended["sequence"], "order" in ended) == (1, False)


async def test_a_cancelled_one_is_passed_over_and_its_webhook_looked_at_now(site: Site) -> None:
    await site.add("a", "b", "c")
    await site.promote()
    await ByHand(site.mongo, retention=DAY).cancel(["a", "b"], site.mongo.now())
    assert await site.orders.due(10) == []
    await site.orders.look_now(WEBHOOK)
    assert [order["_id"] for order in await site.orders.due(10)] == [WEBHOOK]
    assert await site.promote() == ["c"]


async def test_a_new_round_by_hand_waits_for_no_order_and_holds_up_nobody(site: Site) -> None:
    await site.add("a", "b", "c")
    await site.promote()
    await site.decide("a", Dead("attempts_exhausted"))
    await site.promote()
    hand = ByHand(site.mongo, retention=DAY)
    await hand.attempt_now(["a", "c"], site.mongo.now())
    assert [name for name, _ in await site.deliveries.due(10)] == ["a"], "what waits for its order goes on waiting"
    await site.decide("b", Succeeded())
    assert await site.promote() == ["c"]


async def test_many_promoters_at_once_hand_over_one(site: Site) -> None:
    await site.add(*"abcdefgh")
    for name in "abcdefgh":
        site.caught.handed.clear()
        await asyncio.gather(*(site.promotion.promote([WEBHOOK]) for _ in range(5)))
        assert [delivery.id for _, [delivery] in site.caught.handed] == [name]
        await site.decide(name, Succeeded())


async def test_who_looked_before_it_was_handed_over_claims_nothing(site: Site) -> None:
    await site.add("a")
    await site.promote()
    for decision in (Wait(site.mongo.now(), WaitingFor.RETRY), Succeeded()):
        assert await site.deliveries.claim_next(["a"], "late", site.mongo.now()) == []
        assert "late" not in (await one(site.deliveries, "a")).values()
        await site.decide("a", decision)
    assert await site.deliveries.claim_next(["a"], "late", site.mongo.now()) == []
    assert (await one(site.deliveries, "a"))["status"] == "succeeded"


async def test_one_whose_event_is_not_marked_yet_waits_for_that_and_after_days_for_nothing(site: Site) -> None:
    await site.orders.insert(WEBHOOK, [queued("a", site.mongo, event_id="a")])
    assert await site.promote() == []
    assert (await one(site.deliveries, "a"))["waiting_for"] == "order"
    old = site.mongo.now() - COMES_WITHIN - timedelta(minutes=1)
    await site.mongo.db.deliveries.update_one({"_id": "a"}, {"$set": {"created_at": old}})
    await site.promote()
    ended = await one(site.deliveries, "a")
    assert (ended["status"], ended["reason"]) == (Status.DEAD, "event_missing")


async def looks(mongo: Mongo) -> dict[str, Any]:
    return {order["_id"]: order.get("look_at") for order in await mongo.db.orders.find({}).to_list(None)}


async def test_a_webhook_is_looked_at_until_it_has_been_idle_for_long(site: Site) -> None:
    mongo, orders = site.mongo, Orders(site.mongo, retention=DAY, look_every=NOW)
    await orders.insert("living", [queued("a", mongo, webhook_id="living")])
    await orders.insert("new", [queued("b", mongo, webhook_id="new")])
    await orders.insert("idle", [queued("c", mongo, webhook_id="idle")])
    await mongo.db.orders.update_many({"_id": {"$ne": "new"}}, {"$set": {"reserved_at": mongo.now() - DAY}})
    due = await orders.due(10)
    await orders.looked(due, {"living"})
    assert sorted(name for name, look_at in (await looks(mongo)).items() if look_at) == ["living", "new"]
    await orders.insert("idle", [queued("d", mongo, webhook_id="idle")])
    assert (await looks(mongo))["idle"]


async def test_what_happened_while_somebody_looked_is_not_overlooked(site: Site) -> None:
    mongo, orders = site.mongo, Orders(site.mongo, retention=DAY, look_every=timedelta(hours=1))
    for name in ("ended", "added"):
        await orders.insert(name, [queued(name, mongo, webhook_id=name)])
        await orders.look_now(name)
    await mongo.db.orders.update_many({}, {"$set": {"reserved_at": mongo.now() - DAY}})
    due = await orders.due(10)
    assert len(due) == 2
    await asyncio.sleep(0.002)  # the moments that are compared have milliseconds
    await orders.look_now("ended")
    await orders.insert("added", [queued("more", mongo, webhook_id="added")])
    await orders.looked(due, {"ended"})
    assert {order["_id"] for order in await orders.due(10)} == {"ended", "added"}


async def test_the_first_of_many_is_found_in_an_index_of_those_that_live(site: Site) -> None:
    mongo = site.mongo
    for number in range(3):
        webhook_id = f"webhook_{number}"
        await site.orders.insert(
            webhook_id, [queued(f"{webhook_id}-{n}", mongo, webhook_id=webhook_id) for n in range(50)]
        )
    await mongo.db.command("profile", 2)
    await site.orders.heads(["webhook_1"])
    await site.deliveries.due(5)
    await mongo.db.command("profile", 0)
    queries = await mongo.db["system.profile"].find({"command.find": "deliveries"}).to_list(None)
    assert [query["docsExamined"] for query in queries] == [1, 0]
    for query in queries:
        assert query["planSummary"].startswith("IXSCAN"), query["planSummary"]
        assert not query.get("hasSortStage")
