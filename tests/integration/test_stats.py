"""Hourly statistics on a real MongoDB: they equal a scan of all deliveries, whoever dies when."""

import asyncio
import math
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from deploy.local.servers import Server
from services.scheduler.tallies import Tallies
from shared.contracts.cell import Cell
from shared.contracts.delivery import (
    LIVE,
    Attempt,
    Cancelled,
    Dead,
    Decision,
    Outcome,
    Status,
    Step,
    Succeeded,
    Wait,
    WaitingFor,
)
from shared.contracts.message import QueuedDelivery
from shared.contracts.stats import HourStats
from shared.store.by_hand import ByHand
from shared.store.deliveries import Deliveries
from shared.store.duties import Duties
from shared.store.folding import Folding, Update
from shared.store.mongo import Mongo
from shared.store.stats import Stats
from shared.store.uncounted import SETTLED, Uncounted
from tests.cluster import until
from tests.integration.test_store import opened

DAY = timedelta(days=1)
LONG = timedelta(days=7)
TENANTS = {"t1": ("webhook_1", "webhook_2"), "t2": ("webhook_3",)}
Document = dict[str, Any]
_numbers = count()


class Clock:
    ahead = timedelta(0)


class Timed(Mongo):
    """A process's connection, whose time the test moves on."""

    clock: Clock

    def seconds(self) -> float:
        return super().seconds() + self.clock.ahead.total_seconds()


class Died(Exception):
    pass


class World:
    """Processes on one database."""

    def __init__(self, url: str, base: Mongo) -> None:
        self._url = url
        self.clock = Clock()
        self.mongo = base
        self._opened: list[Mongo] = []
        self.worker, self.person, self.fanout = self.deliveries(), self.by_hand(), self.folding()
        self.stats = Stats(self.connect(), kept=LONG)

    def connect(self) -> Mongo:
        made = Timed(url=self._url, database=self.mongo.db.name, timeout_seconds=10)
        made.clock = self.clock
        self._opened.append(made)
        return made

    def deliveries(self) -> Deliveries:
        """Of a new process, which remembers nothing."""
        return Deliveries(self.connect(), retention=DAY)

    def by_hand(self) -> ByHand:
        return ByHand(self.connect(), retention=DAY)

    def folding(self) -> Folding:
        return Folding(self.connect(), retention=DAY)

    def scheduler(self) -> Tallies:
        mongo = self.connect()
        return Tallies(
            mongo=mongo,
            uncounted=Uncounted(mongo, retention=DAY),
            stats=Stats(mongo, kept=LONG),
            duties=Duties(mongo),
        )

    async def close(self) -> None:
        for mongo in self._opened:
            await mongo.stop(0)

    def now(self) -> datetime:
        return self._opened[0].now()

    def pass_time(self, seconds: float) -> None:
        self.clock.ahead += timedelta(seconds=seconds)

    async def settle(self) -> None:
        """Long enough for every cell to be counted for good."""
        for _ in range(2):
            await self.scheduler().run_once()
            self.pass_time(SETTLED.total_seconds() + 1)
        await self.scheduler().run_once()

    async def documents(self) -> list[Document]:
        return await self.mongo.db.deliveries.find({}).to_list(None)

    async def rows(self, tenant_id: str, webhook_id: str | None) -> list[HourStats]:
        return await self.stats.hours(tenant_id, webhook_id, self.now() - LONG, self.now() + DAY)

    async def check(self) -> None:
        """Every figure against a scan."""
        scanned = scan(await self.documents())
        for tenant_id, webhook_ids in TENANTS.items():
            for webhook_id in (*webhook_ids, None):
                rows = await self.rows(tenant_id, webhook_id)
                expected = {hour: found for (who, hour), found in scanned.items() if who == (tenant_id, webhook_id)}
                assert [datetime.fromisoformat(row.hour) for row in rows] == sorted(expected)
                for row in rows:
                    compare(row, expected[datetime.fromisoformat(row.hour)])


def scan(documents: list[Document]) -> dict[tuple[tuple[str, str | None], datetime], list[Document]]:
    """Deliveries by who and hour."""
    found: defaultdict[tuple[tuple[str, str | None], datetime], list[Document]] = defaultdict(list)
    for document in documents:
        hour = document["created_at"].replace(minute=0, second=0, microsecond=0)
        for webhook_id in (document["webhook_id"], None):
            found[(document["tenant_id"], webhook_id), hour].append(document)
    return found


def compare(row: HourStats, documents: list[Document]) -> None:
    statuses = Counter(document["status"] for document in documents)
    assert {status: getattr(row, status) for status in Status} == {status: statuses[status] for status in Status}
    assert row.created == len(documents)
    assert row.attempts == sum(document["attempt_count"] for document in documents)
    decided = statuses["succeeded"] + statuses["dead"]
    assert row.success_rate == (statuses["succeeded"] / decided if decided else None)
    took = sorted(milliseconds(document) for document in documents if document["status"] == "succeeded")
    assert (row.latency_ms is None) == (not took)
    for percent in (50, 95, 99) if took else ():
        exact = took[max(1, math.ceil(percent / 100 * len(took))) - 1]
        assert abs(getattr(row.latency_ms, f"p{percent}") - exact) <= max(1, 0.2 * exact)


def milliseconds(document: Document) -> int:
    took: timedelta = document["ended_at"] - document.get("round_started_at", document["created_at"])
    return max(0, took // timedelta(milliseconds=1))


@pytest_asyncio.fixture(loop_scope="session")
async def world(mongodb: Server) -> AsyncIterator[World]:
    async with opened(mongodb.url) as base:
        made = World(mongodb.url, base)
        yield made
        await made.close()


def queued(name: str, created_at: datetime, tenant_id: str = "t1", webhook_id: str = "webhook_1") -> QueuedDelivery:
    return QueuedDelivery(
        id=name,
        tenant_id=tenant_id,
        webhook_id=webhook_id,
        event_id="e",
        event="session.created",
        created_at=created_at.timestamp(),
        body=msgspec.Raw(b"{}"),
    )


def step(document: Document, decision: Decision, now: datetime, *, took: int = 0) -> Step:
    n = document["attempt_count"] + 1
    outcome = Outcome.SUCCEEDED if isinstance(decision, Succeeded) else Outcome.RETRY
    attempt = Attempt(f"key-{next(_numbers)}", n, document["turn"], 1, now, took, outcome)
    made = None if isinstance(decision, Cancelled) else attempt
    return Step(document["_id"], document["tenant_id"], document["created_at"], document["turn"], decision, made)


async def make(world: World, name: str, *, ago: timedelta = timedelta(0), **whose: str) -> Document:
    await world.worker.insert([queued(name, world.now() - ago, **whose)], world.now())
    return (await world.worker.get([name]))[name]


def dies_after_naming(deliveries: Deliveries | ByHand | Folding) -> None:
    name = deliveries._uncounted.name

    async def named(cells: Any) -> None:
        await name(cells)
        raise Died

    deliveries._uncounted.name = named  # type: ignore[method-assign]


def dies_without_naming(deliveries: Deliveries | ByHand | Folding) -> None:
    async def died(_: Any) -> None:
        raise Died

    deliveries._uncounted.name = died  # type: ignore[method-assign]


class Lives:
    """Random steps of random deliveries, over both sides of an hour's end, by processes that die."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.world = world
        self.dice = dice
        self.count = 0
        self.begin = world.now().replace(minute=0, second=0, microsecond=0) - timedelta(minutes=5)
        self.schedulers = [world.scheduler(), world.scheduler()]

    async def one(self, condition: Callable[[Document], bool]) -> Document | None:
        found = [document for document in await self.world.documents() if condition(document)]
        return self.dice.choice(found) if found else None

    async def take_a_step(self) -> None:
        """A process that dies in it is followed by one that remembers nothing."""
        steps = [self.insert, self.fold, self.record, self.record, self.record, self.claim, self.by_hand, self.look]
        action = self.dice.choice(steps)
        with suppress(Died):
            await action()
            self.world.pass_time(self.dice.choice([0, 0, 1, 4, 15]))
            return
        world = self.world
        world.worker, world.person, world.fanout = world.deliveries(), world.by_hand(), world.folding()

    async def insert(self) -> None:
        made = self.some()
        try:
            if self.dice.random() < 0.2:
                dies_without_naming(self.world.worker)
            await self.world.worker.insert(made, self.world.now())
        except Died:
            await until(lambda: self.are_there(made), 5)
            raise

    def some(self) -> list[QueuedDelivery]:
        made = []
        for _ in range(self.dice.randint(1, 4)):
            self.count += 1
            tenant_id = self.dice.choice(list(TENANTS))
            created_at = self.begin + timedelta(seconds=self.dice.randint(0, 600))
            made.append(queued(f"d{self.count}", created_at, tenant_id, self.dice.choice(TENANTS[tenant_id])))
        return made

    async def fold(self) -> None:
        """Updates, of which each takes the place of one that waits."""
        if self.dice.random() < 0.2:
            self.die_around_naming(self.world.fanout)
        window = timedelta(seconds=self.dice.choice([0, 60]))
        await self.world.fanout.insert([Update(made, made.webhook_id, window) for made in self.some()])

    async def are_there(self, made: list[QueuedDelivery]) -> bool:
        return len(await self.world.worker.get([delivery.id for delivery in made])) == len(made)

    async def record(self) -> None:
        """Also by workers that come too late."""
        document = await self.one(lambda _: True)
        if document is None:
            return
        now = self.world.now()
        later = Wait(now + timedelta(seconds=self.dice.choice([-1, 5])), WaitingFor.RETRY)
        decision = self.dice.choice([Succeeded(), Succeeded(), Dead("attempts_exhausted"), Cancelled("x"), later])
        if self.dice.random() < 0.2:
            self.die_around_naming(self.world.worker)
        await self.world.worker.record([step(document, decision, now, took=self.dice.choice([0, 7, 300, 5_000]))])
        if self.dice.random() < 0.2:
            raise Died

    def die_around_naming(self, who: Deliveries | ByHand | Folding) -> None:
        """Either side of it: then nothing is written that ends a delivery."""
        self.dice.choice([dies_after_naming, dies_without_naming])(who)

    async def claim(self) -> None:
        document = await self.one(lambda document: document["status"] in LIVE)
        if document is None:
            return
        if self.dice.random() < 0.2:
            dies_without_naming(self.world.worker)
        claims = [self.world.worker.claim_again, self.world.worker.claim_due]
        await self.dice.choice(claims)([document["_id"]], f"claim-{self.dice.random()}", self.world.now())

    async def by_hand(self) -> None:
        document = await self.one(lambda _: True)
        if document is None:
            return
        if self.dice.random() < 0.2:
            self.die_around_naming(self.world.person)
        await self.dice.choice([self.world.person.attempt_now, self.world.person.cancel])(
            [document["_id"]], self.world.now()
        )

    async def look(self) -> None:
        """A scheduler's; some die before they say that they counted."""
        number = self.dice.randrange(2)
        dying = self.dice.random() < 0.3
        if dying:
            dies_before_saying_so(self.schedulers[number])
        try:
            await self.schedulers[number].run_once()
        finally:
            if dying:
                self.schedulers[number] = self.world.scheduler()

    async def end_all(self) -> None:
        for document in await self.world.documents():
            if document["status"] in LIVE:
                await self.world.worker.record([step(document, Dead("expired"), self.world.now())])


def dies_before_saying_so(scheduler: Tallies) -> None:
    async def died(*_: Any) -> None:
        raise Died

    scheduler._uncounted.counted = died  # type: ignore[method-assign]


@pytest.mark.parametrize("seed", range(3))
async def test_figures_equal_a_scan_of_all_deliveries_whoever_died(world: World, seed: int) -> None:
    lives = Lives(world, random.Random(seed))
    for _ in range(150):
        await lives.take_a_step()
    await lives.end_all()
    await world.settle()
    statuses = {document["status"] for document in await world.documents()}
    assert statuses == {"succeeded", "dead", "cancelled", "folded"}
    await world.check()
    assert await world.mongo.db.uncounted.count_documents({}) == 0


async def test_the_living_are_counted_as_they_are(world: World) -> None:
    await make(world, "pending")
    waiting = await make(world, "waiting")
    await world.worker.record([step(waiting, Wait(world.now() + DAY, WaitingFor.RETRY), world.now())])
    await world.scheduler().run_once()
    await world.check()
    (hour,) = await world.rows("t1", "webhook_1")
    assert (hour.pending, hour.waiting, hour.attempts, hour.success_rate) == (1, 1, 1, None)


async def test_what_is_written_while_its_cell_is_remembered_is_counted_all_the_same(world: World) -> None:
    document = await make(world, "a")
    scheduler = world.scheduler()
    await scheduler.run_once()
    world.pass_time(9)
    await world.worker.record([step(document, Succeeded(), world.now())])
    await scheduler.run_once()  # not due: nobody named it again
    assert [hour.succeeded for hour in await world.rows("t1", None)] == [0]
    world.pass_time(4)
    await scheduler.run_once()
    await world.check()


async def test_an_old_delivery_that_is_sent_again_moves_from_dead_to_succeeded(world: World) -> None:
    document = await make(world, "a", ago=timedelta(hours=5))
    await world.worker.record([step(document, Dead("attempts_exhausted"), world.now())])
    await world.settle()
    assert await world.mongo.db.uncounted.count_documents({}) == 0
    assert [hour.dead for hour in await world.rows("t1", "webhook_1")] == [1]
    await world.person.attempt_now(["a"], world.now())
    (claimed,) = await world.worker.claim_due(["a"], "claim", world.now())
    await world.worker.record([step(claimed, Succeeded(), world.now(), took=80)])
    await world.settle()
    await world.check()
    (hour,) = await world.rows("t1", "webhook_1")
    assert (hour.dead, hour.succeeded, hour.attempts) == (0, 1, 2)
    assert hour.latency_ms
    assert hour.latency_ms.p50 < 1_000, "from when it was sent again, not from when it was made"


@pytest.mark.parametrize("how", ["record", "cancel", "attempt_now"])
async def test_who_dies_before_naming_a_cell_has_written_nothing_that_it_could_miss(world: World, how: str) -> None:
    document = await make(world, "a")
    if how == "attempt_now":
        await world.worker.record([step(document, Dead("attempts_exhausted"), world.now())])
    before = await world.documents()
    dying = world.deliveries() if how == "record" else world.by_hand()
    dies_without_naming(dying)
    arguments = [[step(document, Succeeded(), world.now())]] if how == "record" else [["a"], world.now()]
    with pytest.raises(Died):
        await getattr(dying, how)(*arguments)
    assert await world.documents() == before


async def test_what_is_written_during_a_count_is_counted_again(world: World) -> None:
    document = await make(world, "a")
    world.pass_time(SETTLED.total_seconds() + 1)
    uncounted = Uncounted(world.connect(), retention=DAY)
    ((cell, changed_at),) = await uncounted.due(10)
    as_of, figures = world.now(), await world.stats.count(cell)
    await world.worker.record([step(document, Succeeded(), world.now())])
    await world.stats.keep(cell, figures, as_of)
    await uncounted.counted(cell, changed_at, as_of)
    await world.scheduler().run_once()
    await world.check()


async def test_a_write_that_took_long_names_its_cell_again(world: World) -> None:
    document = await make(world, "a")
    uncounted = Uncounted(world.connect(), retention=DAY)
    async with uncounted.changing([Cell.of_document(document)]):
        world.pass_time(SETTLED.total_seconds() + 1)
        await world.scheduler().run_once()
        await world.mongo.db.deliveries.update_one({"_id": "a"}, {"$set": {"status": "cancelled"}})
    await world.scheduler().run_once()
    await world.check()


async def test_who_counted_earlier_and_is_late_overwrites_nothing(world: World) -> None:
    document = await make(world, "a")
    cell = Cell.of_document(document)
    early, figures = world.now(), await world.stats.count(cell)
    world.pass_time(1)
    await world.worker.record([step(document, Succeeded(), world.now())])
    await world.stats.keep(cell, await world.stats.count(cell), world.now())
    await world.stats.keep(cell, figures, early)
    await world.check()


async def test_of_two_schedulers_one_counts_and_the_other_takes_over(world: World) -> None:
    await make(world, "a")
    counted: list[str] = []
    both = [world.scheduler(), world.scheduler()]
    for number, scheduler in enumerate(both):
        note_counts(scheduler, counted, str(number))
    await asyncio.gather(*(scheduler.take_turn() for scheduler in both))
    assert len(counted) == 1
    for _ in range(4):
        world.pass_time(13)
        await both[1 - int(counted[0])].take_turn()
    assert set(counted) == {"0", "1"}
    await world.check()


def note_counts(scheduler: Tallies, counted: list[str], name: str) -> None:
    count = scheduler._stats.count

    async def noted(cell: Cell, *parts: Any) -> Any:
        counted.append(name)
        return await count(cell, *parts)

    scheduler._stats.count = noted  # type: ignore[method-assign]


async def test_a_cell_that_rests_is_not_counted_again(world: World) -> None:
    counted: list[str] = []
    scheduler = world.scheduler()
    note_counts(scheduler, counted, "look")
    await make(world, "a")
    for _ in range(120):
        await scheduler.run_once()
        world.pass_time(1)
    assert len(counted) <= 3, "at once, when nobody remembers it, and when it is settled"


async def test_many_may_name_a_cell_at_once(world: World) -> None:
    now = world.now()
    made = [queued(f"d{number}", now) for number in range(40)]
    await asyncio.gather(*(world.deliveries().insert([delivery], now) for delivery in made))
    await world.settle()
    await world.check()


async def test_erased_deliveries_are_counted_no_more(world: World) -> None:
    await make(world, "a", ago=timedelta(hours=2))
    await make(world, "b", ago=timedelta(hours=2), webhook_id="webhook_2")
    await make(world, "c", tenant_id="t2", webhook_id="webhook_3")
    await world.settle()
    async with Uncounted(world.connect(), retention=DAY).moving(["a", "b"]):
        await world.mongo.db.deliveries.delete_many({"_id": "a"})
    await world.settle()
    await world.check()
    await world.mongo.db.deliveries.delete_many({"_id": "b"})
    assert await world.stats.forget("t1", world.now()) == 3
    await world.check()
    assert len(await world.rows("t2", None)) == 1


async def test_figures_are_final_once_their_deliveries_begin_to_expire(world: World) -> None:
    document = await make(world, "a")
    await world.worker.record([step(document, Succeeded(), world.now())])
    await world.settle()
    await world.mongo.db.deliveries.delete_many({})
    world.pass_time(DAY.total_seconds())
    await Uncounted(world.connect(), retention=DAY).name([Cell.of_document(document)])
    await world.settle()
    assert [hour.succeeded for hour in await world.rows("t1", "webhook_1")] == [1]


async def test_an_answer_reads_its_hours_by_id_and_no_delivery(world: World) -> None:
    for hours in range(30):
        await make(world, f"d{hours}", ago=timedelta(minutes=30 * hours), webhook_id="webhook_1")
    await world.scheduler().run_once()
    db = world.mongo.db
    await db.command("profile", 2)
    await world.stats.hours("t1", "webhook_1", world.now() - timedelta(hours=3), world.now())
    await db.command("profile", 0)
    queries = await db["system.profile"].find({"ns": {"$in": [f"{db.name}.stats", f"{db.name}.deliveries"]}}).to_list(9)
    assert [(query["ns"], query["planSummary"]) for query in queries] == [(f"{db.name}.stats", "IXSCAN { _id: 1 }")]
    assert queries[0]["docsExamined"] <= 4
    assert not queries[0].get("hasSortStage")


async def test_a_minute_may_be_counted_in_parts(world: World) -> None:
    minute = world.now().replace(second=0, microsecond=0) - timedelta(minutes=5)
    for number, second in enumerate((0, 8.571, 8.572, 30, 59.999, 60)):  # a seventh of a minute is no whole millisecond
        await make(world, f"d{number}", ago=world.now() - minute - timedelta(seconds=second))
    cell, worked = Cell.of("t1", minute), []

    async def pause(seconds: float) -> None:
        worked.append(seconds)

    figures = await world.stats.count(cell, 7, pause)
    assert figures == await world.stats.count(cell)
    assert figures[None].counts == {"pending": 5}
    assert len(worked) == 7


async def test_a_minute_that_took_long_is_counted_in_parts_from_then_on(world: World) -> None:
    scheduler, parts = world.scheduler(), []
    count = scheduler._stats.count

    async def slow(cell: Cell, in_parts: int, pause: Any) -> Any:
        parts.append(in_parts)

        async def longer(_: float) -> None:
            await pause(0.05 / in_parts)

        return await count(cell, in_parts, longer)

    scheduler._stats.count = slow  # type: ignore[method-assign]
    for name in "abc":
        await make(world, name)
        assert await scheduler.run_once() >= timedelta(seconds=0.049)
        world.pass_time(SETTLED.total_seconds() + 1)
    assert parts[0] == 1
    assert set(parts[1:]) == {3}
    await world.check()


async def test_a_count_reads_the_deliveries_of_its_minute_only(world: World) -> None:
    for minutes in range(30):
        await make(world, f"d{minutes}", ago=timedelta(minutes=minutes))
    db = world.mongo.db
    await db.command("profile", 2)
    await world.stats.count(Cell.of("t1", world.now() - timedelta(minutes=7)))
    await db.command("profile", 0)
    (count,) = await db["system.profile"].find({"command.aggregate": "deliveries"}).to_list(None)
    assert count["planSummary"].startswith("IXSCAN { tenant_id: 1"), count["planSummary"]
    assert count["docsExamined"] == 1
