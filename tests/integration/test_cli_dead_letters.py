"""`dead-letters` as a process of its own, on a real MongoDB."""

import asyncio
import os
import pty
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from deploy.local.servers import Server
from services.cli.dead_letter_choice import wanted_by
from shared.contracts.dead_letters import DeadLettersWanted
from shared.contracts.delivery import Attempt, Dead, Decision, Outcome, Step, Succeeded, Wait, WaitingFor
from shared.contracts.event import AcceptedEvent
from shared.contracts.failure import ErrorKind
from shared.contracts.listing import Position
from shared.contracts.message import QueuedDelivery
from shared.store.by_hand import ByHand
from shared.store.dead_letters import DeadLetters
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.mongo import Document, Mongo
from shared.store.secrets import SecretBox
from shared.store.webhooks import Webhooks
from shared.times import iso
from tests.cluster import SECRET_KEYS, environment, until
from tests.commands import Ended, Forks, ended, started
from tests.integration.test_cli import made
from tests.integration.test_store import opened
from tests.servers import PrivateServers

DAY = timedelta(days=1)
DEAD = Dead("attempts_exhausted")
NAMES = ("ids", "tenant", "webhook", "event_type", "reason", "answered", "since", "until")


@dataclass
class Desk:
    """Where an operator sits: a database and the commands."""

    mongodb_url: str
    mongo: Mongo
    forks: Forks | None = None

    def env(self, **settings: str) -> dict[str, str]:
        return environment("", self.mongodb_url, MONGODB_DATABASE=self.mongo.db.name, **settings)

    async def start(
        self, *arguments: str, stdin: int | None = None, stderr: int = asyncio.subprocess.PIPE, **settings: str
    ) -> asyncio.subprocess.Process:
        return await started(self.env(**settings), "dead-letters", *arguments, stdin=stdin, stderr=stderr)

    async def run(self, *arguments: str, **settings: str) -> Ended:
        start = self.forks.start if self.forks else started
        return await ended(await start(self.env(**settings), "dead-letters", *arguments))

    async def listed(self, *arguments: str) -> list[str]:
        """Ids without their prefix."""
        found = (await self.run("list", "--json", *arguments)).json["dead_letters"]
        return [letter["id"].removeprefix("delivery_") for letter in found]

    @property
    def letters(self) -> DeadLetters:
        return DeadLetters(self.mongo, events=Events(self.mongo, retention=DAY))

    async def get(self, name: str) -> Document:
        found = await self.mongo.db.deliveries.find_one({"_id": f"delivery_{name}"})
        assert found
        return found

    async def statuses(self) -> dict[str, str]:
        return {one["_id"].removeprefix("delivery_"): one["status"] async for one in self.mongo.db.deliveries.find()}

    async def number(self, status: str) -> int:
        return await self.mongo.db.deliveries.count_documents({"status": status})

    async def webhook(self, name: str, **changes: Any) -> None:
        webhook = replace(made(self.mongo, 0), id=f"webhook_{name}", **changes)
        await Webhooks(self.mongo, SecretBox(SECRET_KEYS)).insert(webhook)

    async def delivery(
        self,
        name: str,
        decision: Decision = DEAD,
        *,
        tenant: str = "acme",
        webhook: str = "live",
        event: str = "session.created",
        answers: Sequence[int | ErrorKind] = (500,),
        hours_ago: float = 0,
        event_kept: bool = True,
    ) -> None:
        """Made then, attempted so, and ended so."""
        created = (self.mongo.now() - timedelta(hours=hours_ago)).timestamp()
        queued = QueuedDelivery(
            id=f"delivery_{name}",
            tenant_id=tenant,
            webhook_id=f"webhook_{webhook}",
            event_id=f"event_{name}",
            event=event,
            created_at=created,
            body=msgspec.Raw(b"{}"),
        )
        deliveries = Deliveries(self.mongo, retention=DAY)
        await deliveries.insert([queued], self.mongo.now())
        made_at = (await self.get(name))["created_at"]
        tries = [attempt(self.mongo, name, n, answer) for n, answer in enumerate(answers, 1)]
        again = Wait(self.mongo.now(), WaitingFor.RETRY)
        steps = [Step(queued.id, tenant, made_at, 1, again, one) for one in tries[:-1]]
        last = Step(queued.id, tenant, made_at, 1, decision, tries[-1] if tries else None)
        await deliveries.record([*steps, last])
        if event_kept:
            accepted = AcceptedEvent(tenant, f"event_{name}", event, iso(self.mongo.now()), b'{"n":1.10}')
            await Events(self.mongo, retention=DAY).mark([accepted])


def attempt(mongo: Mongo, name: str, n: int, answer: int | ErrorKind) -> Attempt:
    error = answer if isinstance(answer, ErrorKind) else ErrorKind.HTTP_STATUS if answer >= 300 else None
    return Attempt(
        key=f"{name}-{n}",
        n=n,
        turn=1,
        round=1,
        at=mongo.now(),
        duration_ms=5,
        outcome=Outcome.RETRY if error else Outcome.SUCCEEDED,
        status_code=None if isinstance(answer, ErrorKind) else answer,
        error=error,
        detail=f"the endpoint answered {answer}",
        answer=b"\x1b[31mred\xff",
    )


@pytest_asyncio.fixture(loop_scope="session")
async def desk(mongodb: Server, forks: Forks) -> AsyncIterator[Desk]:
    async with opened(mongodb.url) as mongo:
        yield Desk(mongodb.url, mongo, forks)


async def some_history(desk: Desk) -> None:
    await desk.webhook("live")
    await desk.delivery("a", answers=[500], hours_ago=5)
    await desk.delivery("b", answers=[ErrorKind.TIMEOUT], hours_ago=4, event="session.completed")
    await desk.delivery("c", Dead("gone"), answers=[410], hours_ago=3, webhook="other")
    await desk.delivery("d", Dead("webhook_inactive"), answers=[], hours_ago=2, tenant="bolt", webhook="third")
    await desk.delivery("e", Dead("expired"), answers=[503], hours_ago=1)
    await desk.delivery("ok", Succeeded(), answers=[200])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "edcba"),
        ({"tenant": "bolt"}, "d"),
        ({"webhook": "webhook_other"}, "c"),
        ({"event_type": "session.completed"}, "b"),
        ({"reason": "gone"}, "c"),
        ({"answered": "5xx"}, "ea"),
        ({"answered": "503"}, "e"),
        ({"answered": "timeout"}, "b"),
        ({"since": "150m"}, "ed"),
        ({"until": "150m"}, "cba"),
        ({"since": "270m", "until": "150m"}, "cb"),
        ({"tenant": "acme", "answered": "500", "reason": "attempts_exhausted"}, "a"),
        ({"ids": ["delivery_a", "delivery_e", "delivery_ok", "delivery_none"]}, "ea"),
        ({"ids": ["delivery_a", "delivery_e"], "reason": "expired"}, "e"),
    ],
)
async def test_dead_letters_are_found_newest_first_by_every_filter(
    desk: Desk, filters: dict[str, Any], expected: str
) -> None:
    await some_history(desk)
    wanted = wanted_by(**{**dict.fromkeys(NAMES), **filters})
    found = await desk.letters.page(wanted, 50)
    assert [one["_id"].removeprefix("delivery_") for one in found] == list(expected)
    assert await desk.letters.count(wanted) == len(expected)
    oldest = await desk.letters.oldest(wanted, None, 50)
    assert [one["_id"] for one in oldest] == [one["_id"] for one in reversed(found)]


@pytest.mark.parametrize("command", [["list"], ["retry", "--dry-run"], ["discard", "--dry-run"]])
async def test_every_option_is_the_filter_that_it_says(desk: Desk, command: list[str]) -> None:
    """Any two exchanged are refused, or match nothing."""
    await some_history(desk)
    tenant, webhook, event = ("--tenant", "acme"), ("--webhook", "webhook_other"), ("--event-type", "session.created")
    why, when = ("--reason", "gone", "--answered", "410"), ("--since", "4h", "--until", "2h")
    done = await desk.run(*command, "delivery_c", *tenant, *webhook, *event, *why, *when)
    assert done.code == 0, done
    assert "1 dead letter" in done.out


async def test_a_list_is_a_table_with_the_count_of_all_that_match(desk: Desk) -> None:
    await some_history(desk)
    done = await desk.run("list", "--limit", "2", "--tenant", "acme")
    assert (done.code, done.err) == (0, ""), done
    heading, first, second, total = done.out.splitlines()
    assert " ".join(heading.split()) == "id tenant webhook event made died attempts reason last error"
    assert first.startswith("delivery_e  acme    webhook_live")
    assert first.rstrip().endswith("1         expired  the endpoint answered 503")
    assert second.startswith("delivery_c")
    assert total == "2 of 4 dead letters"


async def test_no_dead_letters_is_no_failure(desk: Desk) -> None:
    done = await desk.run("list")
    assert (done.code, done.out.splitlines()[-1]) == (0, "0 dead letters")
    assert (await desk.run("list", "--json")).json == {"matching": 0, "dead_letters": []}


async def test_one_is_shown_with_every_attempt_and_its_body_and_drives_no_terminal(desk: Desk) -> None:
    await desk.delivery("a", answers=[503, ErrorKind.TIMEOUT, 500])
    done = await desk.run("show", "delivery_a")
    assert (done.code, done.err) == (0, ""), done
    for words in ("status: dead", "attempt 1\n", "attempt 3\n", "  error: timeout", "status_code: 503", '"n": 1.10'):
        assert words in done.out
    assert r"answer: \x1b[31mred" in done.out
    assert "\x1b" not in done.out
    shown = (await desk.run("show", "delivery_a", "--json")).json
    assert [one["n"] for one in shown["attempts"]] == [1, 2, 3]
    assert shown["body"].endswith('"delivery_id":"delivery_a"}')


async def test_one_that_is_not_there_is_one_line_and_code_1(desk: Desk) -> None:
    done = await desk.run("show", "delivery_none")
    assert (done.code, done.out, done.err) == (1, "", "dispatcher: there is no delivery 'delivery_none'\n")


async def test_a_retry_begins_a_new_round_of_those_alone(desk: Desk) -> None:
    await some_history(desk)
    await desk.mongo.db.uncounted.delete_many({})
    done = await desk.run("retry", "--webhook", "webhook_live", "--answered", "5xx")
    assert (done.code, done.err) == (0, ""), done
    assert done.out.splitlines() == ["2 dead letters match", "2 retried, 0 left"]
    expected = {"a": "waiting", "b": "dead", "c": "dead", "d": "dead", "e": "waiting", "ok": "succeeded"}
    assert await desk.statuses() == expected
    retried = await desk.get("a")
    assert (retried["round"], retried["waiting_for"], retried["attempts_before_round"]) == (2, "retry", 1)
    assert retried["due_at"] <= desk.mongo.now() + timedelta(seconds=5), "two processes know the clock to some accuracy"
    assert not {"reason", "ended_at", "expires_at"} & retried.keys()
    assert await desk.mongo.db.uncounted.count_documents({"tenant_id": "acme"}) == 2, "figures would be wrong"


async def test_what_would_die_again_is_named_and_left(desk: Desk) -> None:
    await desk.webhook("live")
    await desk.webhook("off", is_active=False, disabled_reason="gone")
    for name, webhook in {"a": "live", "b": "off", "c": "off", "d": "deleted", "e": "live"}.items():
        await desk.delivery(name, webhook=webhook, event_kept=name != "e")
    done = await desk.run("retry", "--tenant", "acme")
    assert done.code == 1
    assert done.out.splitlines() == ["5 dead letters match", "1 retried, 4 left"]
    assert sorted(done.err.splitlines()) == [
        "dispatcher: 1 left alone: the event is no longer kept",
        "dispatcher: 1 left alone: webhook_deleted was deleted",
        "dispatcher: 2 left alone: webhook_off is inactive (gone)",
    ]
    dry = await desk.run("retry", "--tenant", "acme", "--force", "--dry-run", "--json")
    assert (dry.code, dry.json["retried"], dry.json["left"]) == (0, 3, 4)
    forced = await desk.run("retry", "--tenant", "acme", "--force", "--json")
    assert (forced.code, forced.err, forced.json["retried"], forced.json["left"]) == (1, "", 3, 1)
    assert forced.json["left_alone"] == [{"reason": "the event is no longer kept", "count": 1}]


async def test_what_succeeded_or_was_retried_meanwhile_is_left_to_its_fate(desk: Desk) -> None:
    await some_history(desk)
    by_hand = ByHand(desk.mongo, retention=DAY)
    ids, now = ["delivery_ok", "delivery_a"], desk.mongo.now()
    assert await by_hand.retry_dead(ids, now) == 1
    assert await by_hand.retry_dead(ids, now) == 0
    assert await by_hand.discard(ids) == 0
    assert (await desk.get("ok"))["round"] == 1


@pytest.mark.parametrize("command", ["retry", "discard"])
async def test_a_dry_run_counts_and_changes_nothing(desk: Desk, command: str) -> None:
    await some_history(desk)
    before = await desk.mongo.db.deliveries.find().to_list(None)
    done = await desk.run(command, "--tenant", "acme", "--webhook", "webhook_live", "--dry-run")
    verb = {"retry": "retried", "discard": "discarded"}[command]
    assert (done.code, done.err) == (0, ""), done
    assert done.out.splitlines() == ["3 dead letters match", f"dry run: 3 would be {verb}"]
    assert await desk.mongo.db.deliveries.find().to_list(None) == before


@pytest.mark.parametrize("command", [["retry"], ["discard", "--yes"]])
async def test_all_of_every_tenant_needs_to_be_said(desk: Desk, command: list[str]) -> None:
    await desk.webhook("live")
    await desk.delivery("a")
    done = await desk.run(*command)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "--all" in done.err
    both = await desk.run(*command, "--all", "--tenant", "acme")
    assert (both.code, both.out) == (2, "")
    assert await desk.number("dead") == 1
    assert (await desk.run(*command, "--all")).code == 0
    assert await desk.number("dead") == 0


@pytest.mark.parametrize("command", [["retry"], ["discard", "--yes"]])
async def test_a_limit_takes_the_oldest_and_ids_that_are_no_dead_letters_are_named(
    desk: Desk, command: list[str]
) -> None:
    await some_history(desk)
    limited = await desk.run(*command, "--webhook", "webhook_live", "--limit", "1", "--json")
    assert (limited.code, limited.json["before"], limited.json["left"]) == (0, 3, 2)
    assert (await desk.get("a"))["status"] != "dead"
    named = await desk.run(*command, "delivery_b", "delivery_ok", "delivery_none", "--json")
    assert named.code == 1
    assert {one["reason"] for one in named.json["left_alone"]} == {"delivery_ok is succeeded", "no delivery_none"}
    assert (await desk.get("b"))["status"] != "dead"
    assert (await desk.get("ok"))["status"] == "succeeded"


async def test_what_is_discarded_stays_in_the_history_as_long_as_it_would_have(desk: Desk) -> None:
    await some_history(desk)
    before = await desk.get("c")
    await desk.mongo.db.uncounted.delete_many({})
    done = await desk.run("discard", "--reason", "gone", "--yes")
    assert (done.code, done.err) == (0, ""), done
    assert done.out.splitlines() == ["1 dead letter matches", "1 discarded, 0 left"]
    assert await desk.get("c") == {**before, "status": "cancelled", "reason": "discarded"}
    assert "c" not in await desk.listed()
    assert await desk.mongo.db.uncounted.count_documents({"tenant_id": "acme"}) == 1, "figures would be wrong"


async def test_without_a_terminal_nobody_is_asked_and_nothing_is_discarded(desk: Desk) -> None:
    await desk.delivery("a")
    done = await desk.run("discard", "--all")
    assert (done.code, done.err) == (
        2,
        "dispatcher: there is nobody to ask: say --yes, or --dry-run to count only\n",
    ), done
    assert await desk.number("dead") == 1


@pytest.mark.parametrize(("typed", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 1), ("\n", 1, 1), ("\x03", 130, 1)])
async def test_on_a_terminal_it_asks_first(desk: Desk, typed: str, code: int, left: int) -> None:
    await desk.delivery("a")
    keyboard, terminal = pty.openpty()
    try:
        process = await desk.start("discard", "--all", stdin=terminal)
        assert process.stderr
        asked = await asyncio.wait_for(process.stderr.readuntil(b"[y/N] "), 20)
        assert asked == b"Discard them? [y/N] "
        if typed == "\x03":  # what a terminal makes of Ctrl-C, when it is the process's own
            process.send_signal(signal.SIGINT)
        else:
            os.write(keyboard, typed.encode())
        assert (await ended(process)).code == code
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert await desk.number("dead") == left


async def test_progress_is_shown_on_a_terminal_and_not_among_the_results(desk: Desk) -> None:
    await many(desk, 30)
    screen, terminal = pty.openpty()
    try:
        done = await ended(await desk.start("retry", "--all", "--json", stderr=terminal))
        assert (done.code, done.json["retried"]) == (0, 30)
        assert b"30/30" in os.read(screen, 100_000)
    finally:
        os.close(screen)
        os.close(terminal)


async def many(desk: Desk, number: int) -> None:
    """Like one that is really dead."""
    await desk.webhook("live")
    await desk.delivery("0")
    letter, event = await desk.get("0"), await desk.mongo.db.events.find_one({})
    assert event
    ids = [f"{n:05}" for n in range(1, number)]
    await desk.mongo.db.deliveries.insert_many({**letter, "_id": f"delivery_{name}"} for name in ids)


@pytest.mark.parametrize("form", ["text", "json"])
async def test_ctrl_c_says_how_far_it_came(desk: Desk, form: str) -> None:
    await many(desk, 300)
    more = ["--json"] if form == "json" else []
    process = await desk.start("retry", "--all", "--per-second", "50", *more)

    async def under_way() -> bool:
        return await desk.number("waiting") > 0

    await until(under_way, 20, every=0)
    process.send_signal(signal.SIGINT)
    done = await ended(process)
    left = await desk.number("dead")
    assert (done.code, done.err) == (130, ""), done
    assert 0 < left < 300
    if form == "json":
        assert (done.json["retried"], done.json["left"], done.json["stopped"]) == (300 - left, left, True)
    else:
        words = [f"{300 - left} retried, {left} left", "what is done is done: run it again for the rest"]
        assert done.out.splitlines()[1:] == words


async def test_killed_half_way_it_goes_on_when_run_again(desk: Desk) -> None:
    await many(desk, 300)
    process = await desk.start("retry", "--all", "--per-second", "100")

    async def half_way() -> bool:
        return await desk.number("waiting") > 50

    await until(half_way, 20, every=0)
    process.send_signal(signal.SIGKILL)
    assert (await ended(process)).code == -signal.SIGKILL
    left = await desk.number("dead")
    again = await desk.run("retry", "--all", "--per-second", "2000", "--json")
    assert (again.code, again.json["before"], again.json["retried"], again.json["left"]) == (0, left, left, 0)
    assert await desk.mongo.db.deliveries.count_documents({"round": 2}) == 300


async def test_an_outage_half_way_is_code_1_and_says_how_far_it_came(private_servers: PrivateServers) -> None:
    server = private_servers.mongodb()
    async with opened(server.url) as mongo:
        desk = Desk(server.url, mongo)
        await many(desk, 300)
        process = await desk.start("retry", "--all", "--per-second", "50", "--json", STORE_TIMEOUT_SECONDS="2")

        async def under_way() -> bool:
            return await desk.number("waiting") > 20  # of the second group: the first is known to be done

        await until(under_way, 20, every=0)
        await asyncio.to_thread(server.kill)
        done = await ended(process)
        await asyncio.to_thread(server.restart)
        left = await desk.number("dead")
        assert (done.code, done.json["left"], done.json["stopped"]) == (1, None, False), done
        assert done.json["failure"].startswith("MongoDB: ")
        assert 0 < done.json["retried"] <= 300 - left


async def test_a_database_that_is_away_is_one_line_and_code_1(desk: Desk) -> None:
    away = Desk("mongodb://127.0.0.1:1/?replicaSet=rs0", desk.mongo)
    for command in (["list"], ["retry", "--all"]):
        done = await away.run(*command, STORE_TIMEOUT_SECONDS="1")
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1), done
        assert done.err.startswith("dispatcher: MongoDB: ")


async def test_settings_and_options_that_cannot_be_used_are_one_line_and_code_2(desk: Desk) -> None:
    for arguments, settings, words in (
        (["list"], {"MONGODB_URL": "mongodb://"}, "DISPATCHER_MONGODB_URL: "),
        (["list", "--since", "soon"], {}, "--since: 'soon' is neither a moment like"),
        (["retry", "nonsense"], {}, "ID: "),
    ):
        done = await desk.run(*arguments, **settings)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done
        assert words in done.err


async def test_counts_and_pages_read_the_index_and_what_they_answer(desk: Desk) -> None:
    await many(desk, 200)
    for n in range(100):
        await desk.delivery(f"ok{n}", Succeeded(), answers=[200])
    now = desk.mongo.now()
    by: dict[str, Any] = {
        "tenant_id": "acme",
        "webhook_id": "webhook_other",
        "event_type": "session.created",
        "reason": "gone",
        "response_status": "5xx",
        "since": now - DAY,
        "until": now + DAY,
    }
    for wanted in [{}, by, *({name: value} for name, value in by.items())]:
        for plan in await plans(desk, DeadLettersWanted(**wanted)):
            assert "COLLSCAN" not in plan["planSummary"], wanted
            assert not plan.get("hasSortStage"), wanted
            answered = plan.get("nreturned", 0) if plan["op"] == "query" else 0
            most = 2 * answered if "$or" in plan["command"].get("filter", {}) else answered  # behind a position
            assert answered <= plan["docsExamined"] <= most, (wanted, plan["command"])


async def plans(desk: Desk, wanted: DeadLettersWanted) -> list[Document]:
    """How the database answered counts and pages, by its own profiler."""
    db = desk.mongo.db
    await db["system.profile"].drop()
    await db.command("profile", 2)
    try:
        await desk.letters.count(wanted)
        await desk.letters.count(wanted, 10)
        found = await desk.letters.page(wanted, 20)
        if found:
            await desk.letters.page(wanted, 20, Position(found[-1]["created_at"], found[-1]["_id"]))
        await desk.letters.oldest(wanted, None, 20)
    finally:
        await db.command("profile", 0)
    noted = await db["system.profile"].find({"ns": f"{db.name}.deliveries"}).to_list(None)
    assert len(noted) == (5 if found else 4)
    return noted
