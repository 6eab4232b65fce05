"""`parked` as a process of its own, on a real RabbitMQ."""

import asyncio
import base64
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import psutil
import pytest
import pytest_asyncio

from deploy.local.servers import Server
from services.cli.pace import Pace
from services.cli.parked_work import ParkedWork
from services.cli.tally import Tally
from shared.broker.browser import GROUP, Browser
from shared.broker.connection import declare
from shared.broker.consumer import Message
from shared.broker.parked import parked
from shared.broker.parked_choice import ParkedWanted
from shared.broker.parking import park
from shared.broker.publisher import Publisher
from shared.broker.topology import AGAIN, DELIVERIES, DELIVERY_LIMIT, FANOUT, PARKED, QUEUES
from shared.errors import DependencyUnavailable, InvalidMessage
from tests.cluster import environment, until
from tests.commands import Ended, Forks, ended, started
from tests.queues import taken
from tests.servers import PrivateServers

EVENT = b'{"event":"session.created","tenant_id":"acme","data":{"n":1.10}}'
LOOKS = DELIVERY_LIMIT + 5
"""More often than any queue of ours but `parked` would give a message back."""


@dataclass
class Desk:
    """Where an operator sits: a broker and the commands."""

    url: str
    publisher: Publisher
    forks: Forks | None = None

    def env(self, **settings: str) -> dict[str, str]:
        return environment(self.url, "mongodb://127.0.0.1:1/", **settings)

    async def start(self, *arguments: str, **settings: str) -> asyncio.subprocess.Process:
        return await started(self.env(**settings), "parked", *arguments)

    async def run(self, *arguments: str, **settings: str) -> Ended:
        start = self.forks.start if self.forks else started
        return await ended(await start(self.env(**settings), "parked", *arguments))

    async def listed(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.run("list", "--json", *arguments)).json["parked"]
        return found

    async def park(
        self,
        body: bytes,
        reason: str = "not JSON",
        came_from: str = FANOUT,
        message_id: str | None = None,
        **headers: Any,
    ) -> None:
        message = Message(body, headers, message_id, "session.created", False, 1, None)  # type: ignore[arg-type]
        await park(self.publisher, came_from, message, InvalidMessage(reason))

    async def park_many(self, number: int, body: bytes = b"%05d") -> None:
        for first in range(0, number, 500):
            numbers = range(first, min(number, first + 500))
            await asyncio.gather(*(self.park(body % n) for n in numbers))

    async def depth(self, queue: str = PARKED) -> int:
        return await self.publisher.depth(queue)

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Any]:
        connection = await aio_pika.connect(self.url)
        async with connection:
            yield await connection.channel()

    async def clear(self) -> None:
        connection = await aio_pika.connect(self.url)
        async with connection:
            await declare(connection)
            channel = await connection.channel()
            for queue in QUEUES:
                await (await channel.get_queue(queue.name)).purge()


@asynccontextmanager
async def sitting(url: str, forks: Forks | None = None) -> AsyncIterator[Desk]:
    publisher = Publisher(url=url, name="test", timeout_seconds=10)
    try:
        yield Desk(url, publisher, forks)
    finally:
        await publisher.stop(0)


@pytest_asyncio.fixture(loop_scope="session")
async def desk(rabbitmq: Server, forks: Forks) -> AsyncIterator[Desk]:
    async with sitting(rabbitmq.url, forks) as made:
        await made.clear()
        yield made
        await made.clear()


async def test_what_is_parked_is_listed_oldest_first_with_why_whence_and_when(desk: Desk) -> None:
    await desk.park(b"{", "not JSON: it ends", message_id="m1")
    await desk.park(EVENT, "data: missing field", came_from=DELIVERIES)
    done = await desk.run("list")
    assert (done.code, done.err) == (0, ""), done
    heading, first, second, total = done.out.splitlines()
    assert heading.split() == ["id", "from", "parked", "reason", "tenants", "bytes"]
    assert first.split()[1] == "fanout"
    assert "not JSON: it ends" in first
    assert second.split()[1] == "deliveries"
    assert " acme " in second
    assert total == "2 parked messages"
    one, _ = await desk.listed()
    assert (one["message_id"], one["routing_key"], one["bytes"], one["tenants"]) == ("m1", "session.created", 1, [])
    assert one["parked_at"].endswith("Z")


async def test_no_parked_messages_is_no_failure(desk: Desk) -> None:
    done = await desk.run("list")
    assert (done.code, done.out.splitlines()[-1]) == (0, "0 parked messages")
    assert (await desk.run("list", "--json")).json == {"matching": 0, "parked": []}


async def test_looking_neither_loses_nor_reorders_nor_changes_anything(desk: Desk) -> None:
    """Oftener than the delivery limit of other queues; more messages than are taken at once."""
    number = 3 * GROUP + 7
    await desk.park_many(number)
    before = await desk.listed("--limit", "10000")
    for look in range(LOOKS):
        async with Browser(url=desk.url, name="test", queue=PARKED) as browser:
            async for group in browser.groups():
                if look % 3 == 0 and group:
                    break
    assert await desk.listed("--limit", "10000") == before
    left = await taken(desk.url, PARKED)
    assert [message.body for message in left] == [b"%05d" % n for n in range(number)]
    assert [parked(received(message)).id for message in left] == [one["id"] for one in before]


def received(message: aio_pika.abc.AbstractIncomingMessage) -> Message:
    return Message(message.body, message.headers, message.message_id, "", False, 1, None)  # type: ignore[arg-type]


def own(message: aio_pika.abc.AbstractIncomingMessage) -> dict[str, Any]:
    """Headers but the one that a quorum queue adds to all that it hands out."""
    return {name: value for name, value in message.headers.items() if name != "x-delivery-count"}


async def test_others_that_look_at_the_same_time_take_nothing_away(desk: Desk) -> None:
    await desk.park_many(500)
    await asyncio.gather(*(desk.run("list") for _ in range(3)))
    assert len(await desk.listed("--limit", "10000")) == 500


async def test_a_look_that_is_killed_loses_nothing(desk: Desk) -> None:
    await desk.park_many(2_000)
    process = await desk.start("list")

    async def looking() -> bool:
        return await desk.depth() < 2_000

    await until(looking, 20, every=0)
    process.send_signal(signal.SIGKILL)
    await ended(process)

    async def back() -> bool:
        return await desk.depth() == 2_000

    await until(back, 20)


@pytest.mark.parametrize("command", [["list"], ["retry", "--dry-run"], ["discard", "--dry-run"]])
async def test_every_option_is_the_filter_that_it_says(desk: Desk, command: list[str]) -> None:
    """Any two exchanged match nothing."""
    await desk.park(EVENT, "unknown event type")
    await desk.park(EVENT, "not JSON")
    one, _ = await desk.listed()
    chosen = ("--from", "fanout", "--reason", "EVENT type", "--tenant", "acme", "--since", "1h", "--until", "0s")
    done = await desk.run(*command, one["id"], *chosen)
    assert done.code == 0, done
    assert "1 parked message" in done.out


async def test_a_list_of_some_tells_the_count_of_all(desk: Desk) -> None:
    await desk.park_many(3)
    done = await desk.run("list", "--limit", "2")
    assert done.out.splitlines()[-1] == "2 of 3 parked messages"


ODD = {
    "binary": bytes(range(256)),
    "escapes": b"\x1b]0;owned\x07\x1b[2J",
    "invalid UTF-8": b'{"a":"\xff\xfe"}',
    "1 MB": b'{"a":"' + b"x" * 1_000_000 + b'"}',
    "empty": b"",
}


async def test_odd_bodies_are_listed_shown_and_written_as_they_are(desk: Desk, tmp_path: Path) -> None:
    for name, body in ODD.items():
        await desk.park(body, f"\x1b[31m{name}")
    done = await desk.run("list")
    assert (done.code, done.err) == (0, ""), done
    assert r"\x1b[31mbinary" in done.out
    outputs = [done.out]
    for one, body in zip(await desk.listed(), ODD.values(), strict=True):
        shown = await desk.run("show", one["id"])
        assert (shown.code, shown.err, one["bytes"]) == (0, "", len(body))
        outputs.append(shown.out)
        assert (await desk.run("show", one["id"], "--raw", str(tmp_path / "raw"))).out == ""
        assert (tmp_path / "raw").read_bytes() == body
    assert "".join(outputs).replace("\n", "").replace("\t", "").isprintable()


async def test_raw_bytes_go_to_standard_output(desk: Desk) -> None:
    await desk.park(ODD["binary"])
    (one,) = await desk.listed()
    process = await desk.start("show", one["id"], "--raw", "-")
    assert (await process.communicate())[0] == ODD["binary"]
    assert base64.b64decode((await desk.run("show", one["id"], "--json")).json["body_base64"]) == ODD["binary"]


async def test_a_body_of_json_is_indented_and_headers_are_shown(desk: Desk) -> None:
    await desk.park(EVENT, traceparent="00-x", odd=[{"a": 1}])
    (one,) = await desk.listed()
    done = await desk.run("show", one["id"])
    for words in ("from: fanout", "  traceparent: 00-x", "  odd: [{'a': 1}]", '    "n": 1.10\n', "tenants: acme"):
        assert words in done.out
    shown = (await desk.run("show", one["id"], "--json")).json
    assert (shown["body"], shown["headers"]["odd"], shown["equal"]) == (EVENT.decode(), [{"a": 1}], 1)


async def test_equal_messages_share_an_id_and_what_is_done_to_it(desk: Desk) -> None:
    headers = {"x-parked-from": FANOUT, "x-parked-reason": "r", "x-parked-at": "2025-01-15T10:30:00.000Z"}
    for _ in range(2):
        await desk.publisher.publish("", PARKED, EVENT, headers=headers)
    one, other = await desk.listed()
    assert one == other
    assert "equal messages: 2\n" in (await desk.run("show", one["id"])).out
    done = await desk.run("retry", one["id"], "--json")
    assert (done.code, done.json["retried"], await desk.depth()) == (0, 2, 0)


async def test_one_that_is_not_there_is_one_line_and_code_1(desk: Desk) -> None:
    done = await desk.run("show", "parked_none")
    assert (done.code, done.out, done.err) == (1, "", "dispatcher: there is no parked message 'parked_none'\n")
    for command in (["retry"], ["discard", "--yes"]):
        done = await desk.run(*command, "parked_none", "--json")
        assert (done.code, done.err) == (1, ""), done
        assert done.json["left_alone"] == [{"reason": "there is no 'parked_none'", "count": 1}]


async def test_a_retry_sends_each_to_where_it_came_from_as_it_was(desk: Desk) -> None:
    await desk.park(EVENT, message_id="m1", traceparent="00-x")
    await desk.park(b"\xff", came_from=AGAIN)
    done = await desk.run("retry", "--all")
    assert (done.code, done.err) == (0, ""), done
    assert done.out.splitlines() == ["2 parked messages match", "2 retried, 0 left"]
    (event,), (again,) = await taken(desk.url, FANOUT), await taken(desk.url, AGAIN)
    assert (event.body, own(event), event.message_id) == (EVENT, {"traceparent": "00-x"}, "m1")
    assert event.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert (again.body, own(again)) == (b"\xff", {})
    assert await desk.depth() == 0


async def test_only_what_is_chosen_is_sent_and_the_others_keep_their_order(desk: Desk) -> None:
    await desk.park_many(GROUP + 20)
    ids = [one["id"] for one in await desk.listed("--limit", "10000")]
    done = await desk.run("retry", ids[3], ids[GROUP + 5], "--json")
    assert (done.code, done.json["before"], done.json["retried"], done.json["left"]) == (0, 2, 2, 0)
    assert sorted(message.body for message in await taken(desk.url, FANOUT)) == [b"00003", b"%05d" % (GROUP + 5)]
    rest = [one for n, one in enumerate(ids) if n not in (3, GROUP + 5)]
    assert [one["id"] for one in await desk.listed("--limit", "10000")] == rest
    limited = await desk.run("retry", "--from", "fanout", "--limit", "5", "--json")
    assert (limited.json["before"], limited.json["retried"], limited.json["left"]) == (GROUP + 18, 5, GROUP + 13)
    assert [one["id"] for one in await desk.listed("--limit", "10000")] == rest[5:]


async def test_a_repaired_body_takes_the_place_of_the_one_that_was_parked(desk: Desk, tmp_path: Path) -> None:
    await desk.park(b"{", message_id="m1")
    await desk.park(b"[")
    one, _ = await desk.listed()
    repaired = tmp_path / "repaired.json"
    repaired.write_bytes(EVENT)
    for ids in ([], ["--all"], [one["id"], "parked_other"]):
        refused = await desk.run("retry", *ids, "--body", str(repaired))
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    missing = await desk.run("retry", one["id"], "--body", str(tmp_path / "none"))
    assert (missing.code, missing.err.count("\n")) == (2, 1)
    assert (await desk.run("retry", one["id"], "--body", str(repaired))).code == 0
    (sent,) = await taken(desk.url, FANOUT)
    assert (sent.body, sent.message_id) == (EVENT, "m1")
    assert await desk.depth() == 1


async def test_what_came_from_no_queue_of_ours_is_named_and_left(desk: Desk) -> None:
    await desk.publisher.publish("", PARKED, b"lost")
    await desk.park(EVENT)
    done = await desk.run("retry", "--all")
    assert (done.code, done.out.splitlines()[1]) == (1, "1 retried, 1 left")
    assert done.err == "dispatcher: 1 left alone: came from None, which is no queue of ours to send it to\n"
    assert await desk.depth() == 1


async def test_one_that_was_given_back_too_often_goes_back_to_its_queue(desk: Desk) -> None:
    async with desk.channel() as channel:
        queue = await channel.get_queue(DELIVERIES)
        message = aio_pika.Message(EVENT, message_id="m1", headers={"traceparent": "00-x"})
        await channel.default_exchange.publish(message, DELIVERIES)
        for _ in range(DELIVERY_LIMIT + 1):
            await (await queue.get(timeout=10)).reject(requeue=True)
    await until(desk.depth, 10)
    (one,) = await desk.listed("--reason", "delivery_limit", "--from", DELIVERIES, "--since", "1h")
    assert (one["message_id"], one["tenants"]) == ("m1", ["acme"])
    assert (await desk.run("retry", one["id"])).code == 0
    (sent,) = await taken(desk.url, DELIVERIES)
    assert (sent.body, own(sent), sent.message_id) == (EVENT, {"traceparent": "00-x"}, "m1")


async def test_what_is_discarded_is_saved_first(desk: Desk, tmp_path: Path) -> None:
    await desk.park(EVENT, "unknown event type", traceparent="00-x")
    await desk.park(b"\xff", "not JSON")
    file = tmp_path / "saved.jsonl"
    nobody = await desk.run("discard", "--all", "--save", str(file))
    assert (nobody.code, nobody.err) == (
        2,
        "dispatcher: there is nobody to ask: say --yes, or --dry-run to count only\n",
    )
    assert await desk.depth() == 2
    unwritable = await desk.run("discard", "--all", "--yes", "--save", str(tmp_path / "none" / "file"))
    assert (unwritable.code, unwritable.err.count("\n"), await desk.depth()) == (2, 1, 2)
    done = await desk.run("discard", "--all", "--yes", "--save", str(file))
    assert (done.code, done.out.splitlines()) == (0, ["2 parked messages match", "2 discarded, 0 left"])
    assert await desk.depth() == 0
    first, second = map(json.loads, file.read_text().splitlines())
    assert (first["body"], first["reason"], first["headers"]["traceparent"]) == (
        EVENT.decode(),
        "unknown event type",
        "00-x",
    )
    assert second["body_base64"] == "/w=="
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("command", [["retry"], ["discard", "--yes"]])
async def test_a_dry_run_counts_and_all_needs_to_be_said(desk: Desk, command: list[str]) -> None:
    await desk.park_many(3)
    before = await desk.listed()
    dry = await desk.run(*command, "--all", "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert dry.out.splitlines()[1].startswith("dry run: 3 would be ")
    refused = await desk.run(*command)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert await desk.listed() == before


async def test_ctrl_c_ends_after_the_message_under_way_and_says_how_far_it_came(desk: Desk) -> None:
    await desk.park_many(300)
    process = await desk.start("retry", "--all", "--per-second", "50", "--json")

    async def under_way() -> bool:
        return await desk.depth(FANOUT) > 5

    await until(under_way, 20, every=0)
    process.send_signal(signal.SIGINT)
    done = await ended(process)
    sent = len(await taken(desk.url, FANOUT))
    assert (done.code, done.err) == (130, ""), done
    assert (done.json["retried"], done.json["left"], done.json["stopped"]) == (sent, 300 - sent, True)
    assert await desk.depth() == 300 - sent


class Lost(Publisher):
    """Its first confirms come; of later messages nobody hears whether they arrived, though they did."""

    heard = 3

    async def publish(self, *given: Any, **more: Any) -> None:
        await super().publish(*given, **more)
        self.heard -= 1
        if self.heard < 0:
            raise DependencyUnavailable("RabbitMQ: the connection ended")


async def test_what_nobody_confirmed_is_sent_once_more_and_is_known_by_its_id(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCHER_AMQP_URL", desk.url)
    await desk.park_many(5)
    tally = Tally(noun="parked message", verb="retried", before=5, dry_run=False)
    lost = Lost(url=desk.url, name="test", timeout_seconds=10)
    going = ParkedWork(ParkedWanted(), tally, limit=None, stopped=asyncio.Event())
    await going.retry(lost, Pace(1_000, time.monotonic), body=None)
    await lost.stop(0)
    assert (tally.done, tally.failure, await desk.depth()) == (3, "RabbitMQ: the connection ended", 2)
    assert (await desk.run("retry", "--all", "--json")).json["retried"] == 2
    sent = [message.message_id for message in await taken(desk.url, FANOUT)]
    assert (len(sent), len(set(sent))) == (6, 5)


async def test_killed_in_the_middle_of_a_retry_nothing_is_lost(desk: Desk) -> None:
    await desk.park_many(300)
    process = await desk.start("retry", "--all", "--per-second", "500")

    async def under_way() -> bool:
        return await desk.depth(FANOUT) > 50

    await until(under_way, 20, every=0)
    process.send_signal(signal.SIGKILL)
    assert (await ended(process)).code == -signal.SIGKILL

    async def all_there() -> bool:
        return await desk.depth() + await desk.depth(FANOUT) >= 300

    await until(all_there, 20)
    again = await desk.run("retry", "--all", "--per-second", "2000", "--json")
    assert (again.code, again.json["left"], await desk.depth()) == (0, 0, 0)
    sent = [(message.body, message.message_id) for message in await taken(desk.url, FANOUT)]
    assert {body for body, _ in sent} == {b"%05d" % n for n in range(300)}
    assert len(set(sent)) == 300, "a repeat has the message id of the first"


async def test_a_list_of_10_000_needs_no_more_memory_than_one_of_100(desk: Desk) -> None:
    await desk.park_many(100, b"%05d" + b" " * 10_000)
    few = await memory(await desk.start("list"))
    await desk.park_many(9_900, b"%05d" + b" " * 10_000)
    process = await desk.start("list", "--json")
    many = await memory(process)
    assert many - few < 40_000_000, (few, many)
    assert await desk.depth() == 10_000


async def memory(process: asyncio.subprocess.Process) -> int:
    """The most that it ever had, in bytes; it ends well."""
    seen = psutil.Process(process.pid)
    end = asyncio.create_task(ended(process))
    most = 0
    while not end.done():
        try:
            most = max(most, seen.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        await asyncio.sleep(0.02)
    assert (await end).code == 0
    return most


async def test_a_broker_that_dies_in_the_middle_is_code_1_and_loses_nothing(private_servers: PrivateServers) -> None:
    server = private_servers.rabbitmq()
    async with sitting(server.url) as desk:
        await desk.clear()
        await desk.park_many(300)
        await asyncio.sleep(1)  # RabbitMQ 3.10 writes a new quorum queue's name to disk half a second late
        process = await desk.start("retry", "--all", "--per-second", "50", "--json")

        async def under_way() -> bool:
            return await desk.depth(FANOUT) > 5

        await until(under_way, 20, every=0)
        await asyncio.to_thread(server.kill)
        done = await ended(process)
        await asyncio.to_thread(server.restart)
        assert (done.code, done.json["left"], done.json["stopped"]) == (1, None, False), done
        assert done.json["failure"].startswith("RabbitMQ: ")
    async with sitting(server.url) as desk:

        async def all_there() -> bool:
            return await desk.depth() + await desk.depth(FANOUT) >= 300

        await until(all_there, 30)


async def test_a_broker_that_is_away_is_one_line_and_code_1(desk: Desk) -> None:
    away = Desk("amqp://guest:guest@127.0.0.1:1/", desk.publisher)
    for command in (["list"], ["retry", "--all"]):
        done = await away.run(*command)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1), done
        assert done.err.startswith("dispatcher: RabbitMQ: ")


async def test_settings_and_options_that_cannot_be_used_are_one_line_and_code_2(desk: Desk) -> None:
    for arguments, settings, words in (
        (["list"], {"AMQP_URL": "nonsense"}, "DISPATCHER_AMQP_URL: "),
        (["list", "--since", "soon"], {}, "--since: 'soon' is neither a moment like"),
    ):
        done = await desk.run(*arguments, **settings)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done
        assert words in done.err
