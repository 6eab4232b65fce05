"""Commands that go through the HTTP API, as processes of their own against running services."""

import asyncio
import json
import os
import pty
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.servers import Server
from tests.cluster import ADMIN_KEY, SESSION, TENANT, Cluster, cluster, environment, receiver, until
from tests.commands import Ended, Forks, ended

PIPE = asyncio.subprocess.PIPE
NOWHERE = "http://127.0.0.1:1"
EVENT = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}


@dataclass
class Desk:
    """Where somebody sits who knows the services' addresses and, if not told otherwise, the operator's key."""

    services: Cluster
    forks: Forks

    async def start(self, *arguments: str, stdin: int | None = None, **settings: str) -> asyncio.subprocess.Process:
        urls = {"API_URL": self.services.api, "INGEST_URL": self.services.ingest}
        return await self.forks.start(environment("", "", **urls | settings), *arguments, stdin=stdin)

    async def run(self, *arguments: str, typed: bytes | None = None, **settings: str) -> Ended:
        process = await self.start(*arguments, stdin=None if typed is None else PIPE, **settings)
        return await ended(process, typed)

    async def json(self, *arguments: str, code: int = 0, **settings: Any) -> dict[str, Any]:
        done = await self.run(*arguments, "--json", **settings)
        assert done.code == code, done
        return done.json

    async def webhook(self, url: str, *arguments: str) -> str:
        """Its id."""
        made = await self.json("webhooks", "create", url, "--tenant", TENANT, *arguments)
        return str(made["id"])

    async def until_ended(self, webhook_id: str, number: int, status: str) -> None:
        async def ended_so() -> bool:
            return len(await self.services.deliveries(webhook_id, status=status, limit="200")) >= min(number, 200)

        await until(ended_so, 30, self.services.logs)

    async def answer_at(self, keyboard: int, process: asyncio.subprocess.Process, answer: bytes) -> Ended:
        assert process.stderr
        await asyncio.wait_for(process.stderr.readuntil(b"[y/N] "), 20)
        os.write(keyboard, answer)
        return await ended(process)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server, forks: Forks) -> AsyncIterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("cli_api")
    async with cluster(folder, rabbitmq.url, mongodb.url, RETRY_BASE_SECONDS="60") as services:
        yield Desk(services, forks)


async def test_a_key_is_shown_once_and_works_until_it_is_deleted(desk: Desk) -> None:
    made = await desk.json(
        "keys", "create", "--tenant", TENANT, "--scope", "read", "--scope", "write", "--expires", "1d", "--name", "ci"
    )
    listed, used = await asyncio.gather(
        desk.run("keys", "list", "--tenant", TENANT), desk.run("webhooks", "list", API_KEY=made["key"])
    )
    [row] = [line for line in listed.out.splitlines() if made["id"] in line]
    assert ("read, write" in row, "ci" in row, made["expires_at"] in row) == (True, True, True)
    assert made["key"] not in listed.out
    assert used.code == 0
    deleted = await desk.run("keys", "delete", made["id"], "key_00", "--yes")
    assert (deleted.code, deleted.out) == (1, f"{made['id']} deleted\n")
    assert "INVALID_REQUEST: there is no API key 'key_00'" in deleted.err
    refused = await desk.run("webhooks", "list", API_KEY=made["key"])
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        "dispatcher: INVALID_API_KEY: this API key is not known or was revoked "
        "(used: DISPATCHER_API_KEY; needed: one that `keys create` makes, or the operator's)\n"
    )


async def test_people_are_told_to_keep_a_key_now(desk: Desk) -> None:
    made = await desk.run("keys", "create", "--tenant", TENANT, "--scope", "read")
    assert made.code == 0
    assert "\nkey: scorm_" in made.out
    assert made.err == "dispatcher: keep the key now: it is not shown again\n"


async def test_the_key_file_goes_before_the_environment_and_what_cannot_be_a_key_is_not_quoted(
    desk: Desk, tmp_path: Path
) -> None:
    file, wrong = tmp_path / "key", tmp_path / "wrong"
    file.write_text(ADMIN_KEY + "\n")
    wrong.write_text("two words")
    cases = await asyncio.gather(
        desk.run("keys", "list", "--key-file", str(file), API_KEY="scorm_wrong"),
        desk.run("keys", "list", ADMIN_KEY=""),
        desk.run("keys", "list", "--key-file", str(tmp_path / "none")),
        desk.run("keys", "list", "--key-file", str(wrong)),
        desk.run("keys", "list", API_URL="ftp://nowhere"),
        desk.run("keys", "list", API_URL=NOWHERE),
    )
    assert [case.code for case in cases] == [0, 2, 2, 2, 2, 1]
    for case, words in zip(
        cases[1:],
        ("set DISPATCHER_API_KEY", "No such file", "no API key has", "DISPATCHER_API_URL: an address", NOWHERE),
        strict=True,
    ):
        assert words in case.err
        assert "two words" not in case.err
        assert len(case.err.splitlines()) == 1


async def test_what_a_key_may_not_do_says_which_key_may(desk: Desk) -> None:
    key = await desk.services.key("read")
    cases = await asyncio.gather(
        desk.run("webhooks", "create", "https://your-app.com/x", "--event-type", "*", API_KEY=key),
        desk.run("keys", "list", API_KEY=key),
        desk.run("events", "list", "--tenant", "another", API_KEY=key),
        desk.run("events", "publish", "-", typed=json.dumps(EVENT).encode(), API_KEY=key),
    )
    needed = ("with the scope write", "with the scope admin", "a key of that tenant", "with the scope write")
    for case, words in zip(cases, needed, strict=True):
        assert case.code == 1, case
        assert words in case.err


async def test_a_webhook_is_created_changed_and_deleted(desk: Desk) -> None:
    made = await desk.run(
        *("webhooks", "create", "http://127.0.0.1:9/x", "--tenant", TENANT, "--event-type", "session.*"),
        *("--filter", '{"field": "score.scaled", "gte": 0.8}', "--rate-limit", "5", "--description", "mine"),
    )
    assert (made.code, made.err) == (0, "dispatcher: keep the secret now: it is not shown again\n")
    webhook_id, secret = (line.partition(": ")[2] for line in (made.out.splitlines()[0], made.out.splitlines()[-1]))
    assert secret.startswith("whsec_")
    update = ("webhooks", "update", webhook_id)
    changed = await desk.json(*update, "--pause", "--disable", "--clear", "filter", "--max-attempts", "3")
    assert (changed["paused"], changed["is_active"], changed["filter"], changed["max_attempts"]) == (
        True,
        False,
        None,
        3,
    )
    assert (changed["rate_limit"], changed["description"]) == (5, "mine")
    stale, back, nothing, shown, listed = await asyncio.gather(
        desk.run(*update, "--resume", "--if-version", "1"),
        desk.json(*update, "--resume", "--enable", "--if-version", str(changed["version"])),
        desk.run(*update),
        desk.run("webhooks", "show", webhook_id),
        desk.run("webhooks", "list", "--tenant", TENANT),
    )
    assert (stale.code, nothing.code) == (1, 2)
    assert "VERSION_CONFLICT" in stale.err
    assert (back["paused"], back["is_active"]) == (False, True)
    assert webhook_id in listed.out
    assert secret not in shown.out + listed.out
    deleted = await desk.run("webhooks", "delete", webhook_id, "--yes")
    gone = await desk.run("webhooks", "show", webhook_id)
    assert (deleted.code, gone.code, gone.out) == (0, 1, "")
    assert gone.err == f"dispatcher: WEBHOOK_NOT_FOUND: there is no webhook {webhook_id!r}\n"


async def test_what_cannot_be_is_refused_by_the_name_of_its_option(desk: Desk) -> None:
    create = ("webhooks", "create", "https://your-app.com/x", "--tenant", TENANT)
    cases = {
        ("webhooks", "create", "nowhere", "--tenant", TENANT, "--event-type", "*"): "url: ",
        (*create, "--event-type", "session.crated"): "--event-type.0: ",
        (*create, "--event-type", "*", "--filter", "{"): "--filter: not JSON",
        (*create, "--event-type", "*", "--secret-file", "/none"): "--secret-file: /none: No such file",
        ("keys", "create", "--tenant", TENANT, "--scope", "sudo"): "--scope.0: ",
        ("keys", "create", "--tenant", TENANT, "--scope", "read", "--expires", "soon"): "--expires: ",
        ("events", "list"): "--tenant: needed with the operator's key",
        ("events", "publish"): "name a file",
        ("deliveries", "list", "--tenant", TENANT, "--answered", "6xx"): "--answered: ",
        ("deliveries", "list", "--tenant", TENANT, "--status", "lost"): "--status",
        ("deliveries", "cancel", "--yes"): "name deliveries, or say --webhook",
        ("replay", "start", "webhook_1", "--since", "soon"): "--since: ",
    }
    done = await asyncio.gather(*(desk.run(*arguments) for arguments in cases))
    for case, words in zip(done, cases.values(), strict=True):
        assert (case.code, case.out) == (2, ""), case
        assert words in " ".join(case.err.split())


async def test_a_given_secret_is_shown_by_nothing(desk: Desk, tmp_path: Path) -> None:
    secret, headers = tmp_path / "secret", tmp_path / "headers.json"
    secret.write_text("the-secret-of-the-customer\n")
    headers.write_text('{"Authorization": "Bearer t0k"}')
    made = await desk.run(
        *("webhooks", "create", "http://127.0.0.1:9/x", "--tenant", TENANT, "--event-type", "*"),
        *("--secret-file", str(secret), "--headers-file", str(headers)),
    )
    webhook_id = made.out.splitlines()[0].partition(": ")[2]
    shown = await desk.run("webhooks", "show", webhook_id, "--json")
    for done in (made, shown):
        assert (done.code, done.err) == (0, "")
        assert "the-secret" not in done.out
        assert "t0k" not in done.out
    assert shown.json["header_names"] == ["Authorization"]
    stored = await desk.services.db.webhooks.find_one({"_id": webhook_id})
    assert stored
    await desk.run("webhooks", "delete", webhook_id, "--yes")


async def test_a_secret_is_rotated_and_an_old_one_is_not_dropped_unasked(desk: Desk) -> None:
    webhook_id = await desk.webhook("http://127.0.0.1:9/x", "--event-type", "*")
    rotate = ("webhooks", "rotate-secret", webhook_id)
    begun = await desk.json(*rotate, "--overlap-hours", "1")
    assert begun["secret"].startswith("whsec_")
    again, complete = await asyncio.gather(desk.run(*rotate), desk.run("webhooks", "complete-rotation", webhook_id))
    yes = await desk.json("webhooks", "complete-rotation", webhook_id, "--yes")
    assert (again.code, complete.code) == (2, 2)
    assert complete.err == "dispatcher: there is nobody to ask: say --yes\n"
    assert (begun["rotation_ends_at"] is None, yes["rotation_ends_at"]) == (False, None)
    await desk.run("webhooks", "delete", webhook_id, "--yes")


@pytest.mark.parametrize(("answer", "code", "left"), [(b"n\n", 1, True), (b"y\n", 0, False)])
async def test_who_deletes_is_asked_first(desk: Desk, answer: bytes, code: int, left: bool) -> None:
    webhook_id = await desk.webhook("http://127.0.0.1:9/x", "--event-type", "*")
    keyboard, terminal = pty.openpty()
    try:
        process = await desk.start("webhooks", "delete", webhook_id, stdin=terminal)
        done = await desk.answer_at(keyboard, process, answer)
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert done.code == code
    found = await desk.services.db.webhooks.find_one({"_id": webhook_id})
    assert (found is not None) == left


async def test_a_sample_and_an_explanation_tell_scripts_whether_it_would_work(desk: Desk) -> None:
    async with receiver(lambda request, _: 200 if request.path == "/good" else 500) as endpoint:
        good = await desk.webhook(endpoint.url + "/good", "--event-type", "session.created")
        bad = await desk.webhook(endpoint.url + "/bad", "--event-type", "session.created")
        explain = ("webhooks", "explain", good, "--data", json.dumps(SESSION), "--event")
        cases = await asyncio.gather(
            desk.run("webhooks", "test", good, "--wait"),
            desk.run("webhooks", "test", bad, "--wait", "--json"),
            desk.run(*explain, "session.created"),
            desk.run(*explain, "session.progress"),
            desk.run("webhooks", "test", "webhook_0"),
        )
        sent, failed, matches, not_, missing = cases
        assert [case.code for case in cases] == [0, 1, 0, 1, 1]
        assert "status: succeeded\nanswer: 200\n" in sent.out
        assert (failed.json["status"], failed.json["attempts"][0]["status_code"]) == ("waiting", 500)
        assert "matches: yes" in matches.out
        assert "reasons: " in not_.out
        assert "WEBHOOK_NOT_FOUND" in missing.err
        await desk.run("webhooks", "delete", good, bad, "--yes")


async def test_events_are_published_from_arguments_a_file_and_standard_input(desk: Desk, tmp_path: Path) -> None:
    array = tmp_path / "events.json"
    array.write_text(json.dumps([EVENT, {**EVENT, "event": "session.crated"}]))
    odd = json.dumps(EVENT).replace('"user_1"', '"user_1", "odd": [1.10, 18446744073709551616]')
    lines = f"{odd}\n\nnonsense\n{json.dumps({**EVENT, 'event_id': 'cli~mine'})}\n".encode()
    data = json.dumps(SESSION)
    one, many, piped = await asyncio.gather(
        desk.run("events", "publish", "--event", "session.created", "--tenant", TENANT, "--data", data),
        desk.run("events", "publish", str(array)),
        desk.run("events", "publish", "-", "--batch", "1", "--json", typed=lines),
    )
    assert (one.code, one.err, len(one.out.splitlines())) == (0, "", 2)
    assert (many.code, many.out.splitlines()[-1]) == (1, "1 event accepted, 1 refused, 0 not sent")
    assert "event 2: INVALID_REQUEST: event: unknown event type 'session.crated'" in many.err
    assert [accepted["place"] for accepted in piped.json["accepted"]] == ["line 1", "line 4"]
    [refused] = piped.json["refused"]
    assert (piped.code, refused["place"], refused["error"].split(":")[0]) == (1, "line 3", "not JSON")
    of_odd, mine = (accepted["event_id"] for accepted in piped.json["accepted"])
    assert mine == "cli~mine"

    async def is_there() -> bool:
        return (await desk.run("events", "show", of_odd, "--tenant", TENANT)).code == 0

    await until(is_there, 20, desk.services.logs)
    shown, raw, listed, missing = await asyncio.gather(
        desk.run("events", "show", of_odd, "--tenant", TENANT),
        desk.run("events", "show", of_odd, "--tenant", TENANT, "--json"),
        desk.json("events", "list", "--tenant", TENANT, "--event-type", "session.created", "--since", "1h"),
        desk.run("events", "show", "none", "--tenant", TENANT),
    )
    for done in (shown, raw):
        assert "1.10" in done.out
        assert "18446744073709551616" in done.out
    assert of_odd in [event["id"] for event in listed["events"]]
    assert missing.code == 1


async def test_publishing_again_under_the_same_key_repeats_nothing(desk: Desk, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text("".join(json.dumps(EVENT) + "\n" for _ in range(5)))
    publish = ("events", "publish", str(events), "--batch", "2", "--idempotency-key", "import-7")
    first, second = await desk.json(*publish), await desk.json(*publish)
    assert len({one["event_id"] for one in first["accepted"]}) == 5
    assert second["accepted"] == first["accepted"]
    other = await desk.run("events", "publish", str(events), "--batch", "3", "--idempotency-key", "import-7")
    assert (other.code, other.out.splitlines()[-2]) == (1, "0 events accepted, 0 refused, 5 not sent")
    assert "DUPLICATE_ENTRY" in other.err


async def test_ingest_that_is_away_loses_nothing_silently(desk: Desk) -> None:
    away = await desk.run("events", "publish", "-", typed=json.dumps(EVENT).encode(), INGEST_URL=NOWHERE)
    assert away.code == 1
    assert "0 events accepted, 0 refused, 1 not sent" in away.out
    assert "run it again with --idempotency-key cli-" in away.out
    assert f"{NOWHERE} (DISPATCHER_INGEST_URL)" in away.err


async def test_ctrl_c_while_it_waits_for_input_ends_it(desk: Desk) -> None:
    process = await desk.start("events", "publish", "-", stdin=PIPE)
    assert process.stdin
    keeps_writing = b'{"event":' + b" " * 300_000  # more than a pipe holds: it is read
    process.stdin.write(keeps_writing)
    await process.stdin.drain()
    process.send_signal(signal.SIGINT)
    code = await asyncio.wait_for(process.wait(), 20)
    process.stdin.close()
    assert code == 130


async def test_tail_shows_events_and_what_becomes_of_them_until_ctrl_c(desk: Desk) -> None:
    async with receiver() as endpoint:
        webhook_id = await desk.webhook(endpoint.url, "--event-type", "package.processing.failed")
        tails = [
            await desk.start("events", "tail", "--tenant", TENANT, "--event-type", "package.processing.failed", *more)
            for more in (("--deliveries", "--json"), ())
        ]
        for tail in tails:
            assert tail.stderr
            assert b"following" in await asyncio.wait_for(tail.stderr.readline(), 30)
        sent = await desk.json("webhooks", "test", webhook_id)
        seen = []
        with_deliveries, plain = tails
        assert with_deliveries.stdout
        assert plain.stdout
        while not seen or seen[-1].get("status") != "succeeded":
            seen.append(json.loads(await asyncio.wait_for(with_deliveries.stdout.readline(), 30)))
        assert {one["kind"]: one["id"] for one in seen} == {"event": sent["event_id"], "delivery": sent["delivery_id"]}
        line = await asyncio.wait_for(plain.stdout.readline(), 30)
        assert line.decode().split()[1:] == ["event", "package.processing.failed", sent["event_id"]]
        for tail in tails:
            tail.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(tail.wait(), 20) == 130
        await desk.run("webhooks", "delete", webhook_id, "--yes")


async def test_deliveries_are_found_by_what_became_of_them_and_page_by_page(desk: Desk) -> None:
    async with receiver(lambda _, got: 503 if b'"bad"' in got.body else 200) as endpoint:
        webhook_id = await desk.webhook(endpoint.url, "--event-type", "session.progress", "--max-attempts", "1")
        events = [
            {**EVENT, "event": "session.progress", "data": {**SESSION, "session_id": f"s{n}"}} for n in range(210)
        ]
        events[7]["data"] = {**SESSION, "session_id": "bad"}
        lines = "".join(json.dumps(event) + "\n" for event in events).encode()
        assert (await desk.run("events", "publish", "-", typed=lines)).code == 0
        await desk.until_ended(webhook_id, 1, "dead")

        async def all_ended() -> bool:
            query = {"webhook_id": webhook_id, "status": {"$in": ["succeeded", "dead"]}}
            return await desk.services.db.deliveries.count_documents(query) == 210

        await until(all_ended, 30, desk.services.logs)
        of = ("deliveries", "list", "--webhook", webhook_id)
        everything, dead, few, missing = await asyncio.gather(
            desk.json(*of, "--limit", "1000"),
            desk.run(*of, "--status", "dead", "--answered", "5xx", "--since", "1h", "--event-type", "session.progress"),
            desk.run("deliveries", "list", "--tenant", TENANT, "--limit", "3"),
            desk.run("deliveries", "show", "delivery_0"),
        )
        assert len({one["id"] for one in everything["deliveries"]}) == 210
        assert not everything["more"]
        assert dead.out.splitlines()[-1] == "1 delivery"
        assert few.out.splitlines()[-1] == "3 deliveries, and there are more: say --limit"
        assert missing.code == 1
        dead_id = dead.out.splitlines()[1].split()[0]
        shown = await desk.run("deliveries", "show", dead_id)
        assert "attempt 1\n" in shown.out
        assert '"session_id": "bad"' in shown.out

        endpoint.answer = lambda *_: 200
        retried = await desk.run("deliveries", "retry", dead_id, "delivery_0")
        assert (retried.code, retried.out) == (1, f"{dead_id} retried\n")
        assert "delivery_0: INVALID_REQUEST: there is no delivery" in retried.err
        await until(lambda: len(endpoint.requests) == 211, 20, desk.services.logs)
        await desk.run("webhooks", "delete", webhook_id, "--yes")


async def test_what_waits_is_cancelled_one_or_all(desk: Desk) -> None:
    webhook_id = await desk.webhook("http://127.0.0.1:9/x", "--event-type", "package.processing.completed")
    await desk.run("webhooks", "update", webhook_id, "--pause")
    samples = await asyncio.gather(*(desk.json("webhooks", "test", webhook_id) for _ in range(3)))

    async def all_wait() -> bool:
        return len(await desk.services.deliveries(webhook_id, status="waiting")) == 3

    await until(all_wait, 20, desk.services.logs)
    one = samples[0]["delivery_id"]
    many = ("deliveries", "cancel", "--webhook", webhook_id, "--status", "waiting")
    nobody, cancelled = await asyncio.gather(
        desk.run("deliveries", "cancel", one), desk.json("deliveries", "cancel", one, "--yes")
    )
    assert (nobody.code, cancelled["cancelled"]) == (2, [one])
    dry = await desk.run(*many, "--dry-run")
    assert dry.out.splitlines() == ["2 deliveries match", "dry run: 2 would be cancelled"]
    unasked, done = await desk.run(*many), await desk.json(*many, "--yes")
    assert (unasked.code, done["cancelled"], done["left"]) == (2, 2, 0)
    assert len(await desk.services.deliveries(webhook_id, status="cancelled")) == 3
    await desk.run("webhooks", "delete", webhook_id, "--yes")


async def test_a_window_is_counted_sent_again_watched_and_cancelled(desk: Desk) -> None:
    async with receiver() as endpoint:
        webhook_id = await desk.webhook(endpoint.url, "--event-type", "session.completed")
        data = {**SESSION, "completion_status": "completed"}
        event = {**EVENT, "event": "session.completed", "data": data}
        lines = "".join(json.dumps(event) + "\n" for _ in range(100)).encode()
        assert (await desk.run("events", "publish", "-", typed=lines)).code == 0
        await desk.until_ended(webhook_id, 100, "succeeded")
        start = ("replay", "start", webhook_id, "--since", "1h", "--which", "all")
        dry = await desk.run(*start, "--dry-run")
        assert (dry.code, dry.out) == (0, "dry run: 100 deliveries would be sent again\n")
        assert len(endpoint.requests) == 100
        sent = await desk.json(*start, "--wait", "--per-second", "1000")
        assert (sent["status"], sent["sent"]) == ("done", 100)
        await until(lambda: len(endpoint.requests) == 200, 20, desk.services.logs)
        slow = await desk.start(*start, "--wait", "--per-second", "1")

        async def begun() -> bool:
            return await desk.services.db.jobs.count_documents({"webhook_id": webhook_id}) == 2

        await until(begun, 20, desk.services.logs)
        slow.send_signal(signal.SIGINT)
        stopped = await ended(slow)
        listed = await desk.json("replay", "list", webhook_id)
        [newest, _] = listed["replays"]
        assert stopped.code == 130
        assert newest["id"] in stopped.err
        assert "goes on" in stopped.err
        cancelled = await desk.json("replay", "cancel", newest["id"])
        shown, missing = await asyncio.gather(
            desk.run("replay", "show", newest["id"], "--wait"), desk.run("replay", "show", "replay_0")
        )
        assert cancelled["status"] == "cancelled"
        assert (shown.code, "status: cancelled" in shown.out, missing.code) == (1, True, 1)
        await desk.run("webhooks", "delete", webhook_id, "--yes")
