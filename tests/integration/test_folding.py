"""Of several updates only the newest waits, whoever inserts them and however often, on a real MongoDB."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.servers import Server
from shared.store.by_hand import ByHand
from shared.store.deliveries import Deliveries
from shared.store.folding import Folding, Update
from shared.store.mongo import Mongo
from tests.integration.test_store import DAY, one, opened, queued

WINDOW = timedelta(seconds=60)


@pytest_asyncio.fixture(loop_scope="session")
async def mongo(mongodb: Server) -> AsyncIterator[Mongo]:
    async with opened(mongodb.url) as made:
        yield made


@pytest.fixture
def folding(mongo: Mongo) -> Folding:
    return Folding(mongo, retention=DAY)


@pytest.fixture
def deliveries(mongo: Mongo) -> Deliveries:
    return Deliveries(mongo, retention=DAY)


def update(name: str, mongo: Mongo, key: str = "k", window: timedelta = WINDOW) -> Update:
    return Update(queued(name, mongo), key, window)


async def fates(mongo: Mongo) -> dict[str, Any]:
    """Of each delivery: what took its place, or its status."""
    found = await mongo.db.deliveries.find({}).to_list(None)
    return {document["_id"]: document.get("folded_into", document["status"]) for document in found}


async def test_a_lone_update_waits_for_its_window(mongo: Mongo, folding: Folding, deliveries: Deliveries) -> None:
    before = mongo.now()
    assert await folding.insert([update("a", mongo)]) == 1
    document = await one(deliveries, "a")
    assert (document["status"], document["waiting_for"], document["turn"]) == ("waiting", "newer", 0)
    assert before + WINDOW - timedelta(milliseconds=1) <= document["due_at"] <= mongo.now() + WINDOW
    assert "handed_at" not in document


async def test_a_newer_update_takes_the_place_and_the_window_does_not_move(
    mongo: Mongo, folding: Folding, deliveries: Deliveries
) -> None:
    await folding.insert([update("a", mongo)])
    due_at = (await one(deliveries, "a"))["due_at"]
    assert await folding.insert([update("b", mongo, window=WINDOW * 2)]) == 1
    old, new = await one(deliveries, "a"), await one(deliveries, "b")
    assert (old["status"], old["folded_into"], old["turn"]) == ("folded", "b", 1)
    assert old["expires_at"] - old["ended_at"] == DAY
    assert "due_at" not in old
    assert (new["status"], new["due_at"]) == ("waiting", due_at)


async def test_what_is_overdue_is_sent_as_its_newest_state_and_no_later(
    mongo: Mongo, folding: Folding, deliveries: Deliveries
) -> None:
    await folding.insert([update("a", mongo)])
    overdue = (mongo.now() - timedelta(seconds=5)).replace(microsecond=0)
    await mongo.db.deliveries.update_one({"_id": "a"}, {"$set": {"due_at": overdue}})
    await folding.insert([update("b", mongo)])
    assert (await one(deliveries, "b"))["due_at"] == overdue


async def test_of_a_batch_only_the_newest_of_each_key_waits(mongo: Mongo, folding: Folding) -> None:
    await folding.insert([update("x", mongo, "other"), update("a", mongo)])
    assert await folding.insert([*(update(name, mongo) for name in "bcd"), update("y", mongo, "third")]) == 4
    assert await fates(mongo) == {"a": "d", "b": "d", "c": "d", "d": "waiting", "x": "waiting", "y": "waiting"}


async def test_what_is_being_sent_is_not_folded_any_more(
    mongo: Mongo, folding: Folding, deliveries: Deliveries
) -> None:
    await folding.insert([update("a", mongo, window=timedelta(0))])
    [claimed] = await deliveries.claim_due(["a"], "claim", mongo.now())
    assert (claimed["status"], claimed["turn"]) == ("pending", 1)
    before = mongo.now()
    await folding.insert([update("b", mongo)])
    assert await fates(mongo) == {"a": "pending", "b": "waiting"}
    assert (await one(deliveries, "b"))["due_at"] >= before + WINDOW - timedelta(milliseconds=1)


class Overtaken(Folding):
    """The scheduler is faster with what was read as waiting."""

    async def _waiting(self, keys: Any) -> Any:
        found = await super()._waiting(keys)
        await Deliveries(self._mongo, retention=DAY).claim_due(
            [document["_id"] for document in found.values()], "claim", self._mongo.now()
        )
        return found


async def test_what_is_sent_meanwhile_has_its_successor_wait_for_a_window_of_its_own(
    mongo: Mongo, folding: Folding, deliveries: Deliveries
) -> None:
    await folding.insert([update("a", mongo, window=timedelta(0))])
    before = mongo.now()
    assert await Overtaken(mongo, retention=DAY).insert([update("b", mongo)]) == 1
    assert await fates(mongo) == {"a": "pending", "b": "waiting"}
    assert (await one(deliveries, "b"))["due_at"] >= before + WINDOW - timedelta(milliseconds=1)


async def test_updates_that_come_again_change_nothing_also_in_other_batches(mongo: Mongo, folding: Folding) -> None:
    updates = [update(name, mongo) for name in "abcd"]
    await folding.insert(updates)
    before = await mongo.db.deliveries.find({}).to_list(None)
    for batch in ([updates[0]], updates[1:3], updates[:3], updates):
        assert await folding.insert(batch) == 0
    assert await mongo.db.deliveries.find({}).to_list(None) == before


async def test_a_new_round_of_a_folded_delivery_is_its_own(
    mongo: Mongo, folding: Folding, deliveries: Deliveries
) -> None:
    await folding.insert([update("a", mongo), update("b", mongo)])
    await ByHand(mongo, retention=DAY).attempt_now(["a"], mongo.now())
    [claimed] = await deliveries.claim_due(["a"], "claim", mongo.now())
    assert (claimed["round"], claimed["turn"]) == (2, 2)
    assert "folded_into" not in claimed


async def fan_out(mongo: Mongo, updates: Sequence[Update], dice: random.Random) -> None:
    """One process: the same updates in the same order, in batches of its own."""
    folding = Folding(mongo, retention=DAY)
    at = 0
    while at < len(updates):
        size = dice.randint(1, 4)
        await folding.insert(updates[at : at + size])
        at += size


@pytest.mark.parametrize("seed", range(6))
async def test_fan_outs_that_are_at_the_same_updates_fold_none_into_an_older_one(mongo: Mongo, seed: int) -> None:
    """One that was thought dead goes on, while another got its messages."""
    dice = random.Random(seed)
    updates = [update(f"{n:02}", mongo, dice.choice("kl")) for n in range(24)]
    await asyncio.gather(*(fan_out(mongo, updates, random.Random(seed + n)) for n in range(3)))
    found = await fates(mongo)
    assert len(found) == len(updates)
    newest = {made.key: made.delivery.id for made in updates}
    assert sorted(name for name, fate in found.items() if fate == "waiting") == sorted(newest.values())
    assert all(fate > name for name, fate in found.items() if fate != "waiting")


async def test_what_waits_is_found_in_an_index_of_those_that_wait(mongo: Mongo, folding: Folding) -> None:
    await folding.insert([update(f"d{n}", mongo) for n in range(100)])
    await mongo.db.command("profile", 2)
    await folding.insert([update("newest", mongo)])
    await mongo.db.command("profile", 0)
    [query] = (
        await mongo.db["system.profile"]
        .find({"command.find": "deliveries", "command.filter.fold_key": {"$exists": True}})
        .to_list(None)
    )
    assert query["planSummary"].startswith("IXSCAN"), query["planSummary"]
    assert (query["keysExamined"], query["docsExamined"]) == (1, 1)
