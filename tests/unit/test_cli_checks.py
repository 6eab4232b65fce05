"""What `doctor`, `status` and `load` decide by themselves, without servers."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner
from yarl import URL

from services.cli.__main__ import app
from services.cli.checks import doubts, settings, tls
from services.cli.checks.finding import Finding, State
from services.cli.checks.servers import address
from services.cli.diagnosis import diagnose
from services.cli.load_events import Template, groups
from services.cli.load_work import Load, LoadWork
from services.cli.readiness import Address, Health, Readiness, addresses, named
from services.cli.site import Site
from shared import wiring
from shared.broker.lookout import Depth
from shared.broker.topology import PARKED, QUEUES, WORK
from shared.contracts.event import parse
from shared.contracts.event_types import GUIDE_TYPES
from shared.errors import StartupError
from shared.presence import Presence
from shared.store.backlog import Due
from shared.store.glance import Glance
from shared.store.indexes import compare
from shared.store.mongo import INDEXES
from tests.certificates import Authority

NOW = datetime(2026, 11, 28, tzinfo=UTC)
DUE = {"name": "due_at_1", "key": {"due_at": 1}, "partialFilterExpression": {"status": "waiting"}}


@pytest.mark.parametrize(
    ("there", "presence", "words"),
    [
        (DUE, Presence.THERE, None),
        ({**DUE, "v": 2, "sparse": False}, Presence.THERE, None),
        ({**DUE, "name": "other", "key": {"other": 1}}, Presence.MISSING, None),
        ({**DUE, "name": "mine"}, Presence.OTHER, "is there as 'mine'"),
        ({**DUE, "key": {"due_at": -1}}, Presence.OTHER, "its keys are {'due_at': -1}, needed are {'due_at': 1}"),
        ({**DUE, "sparse": True}, Presence.OTHER, "sparse is True, needed is None"),
        ({**DUE, "expireAfterSeconds": 0}, Presence.OTHER, "expireAfterSeconds is 0, needed is None"),
        (
            {"name": "due_at_1", "key": {"due_at": 1}},
            Presence.OTHER,
            "partialFilterExpression is None, needed is {'status': 'waiting'}",
        ),
    ],
)
def test_an_index_is_compared_by_all_that_makes_it_another(
    there: dict[str, Any], presence: Presence, words: str | None
) -> None:
    found = compare("deliveries", DUE, [{"name": "_id_", "key": {"_id": 1}}, there])
    assert (found.what, found.presence, found.difference) == ("index deliveries.due_at_1", presence, words)


def test_the_order_of_an_indexs_keys_matters() -> None:
    wanted = {"name": "x", "key": {"a": 1, "b": 1}}
    assert compare("c", wanted, [{"name": "x", "key": {"b": 1, "a": 1}}]).presence is Presence.OTHER


def test_each_of_our_indexes_is_like_itself_and_no_other_of_its_collection() -> None:
    for collection, indexes in INDEXES.items():
        there = [one.document for one in indexes]
        assert all(compare(collection, one, there).presence is Presence.THERE for one in there)
        assert all(compare(collection, one, []).presence is Presence.MISSING for one in there)


def test_a_variable_that_is_no_setting_is_named_with_the_one_that_may_be_meant() -> None:
    given = ["DISPATCHER_IN_FLIGTH", "DISPATCHER_IN_FLIGHT", "DISPATCHER_XYZ", "PATH", "DISPATCHER_TEST_SERVERS"]
    found = list(settings.unknown(given, ["DISPATCHER_IN_FLIGHT", "DISPATCHER_LOG_LEVEL"]))
    assert found == [("DISPATCHER_IN_FLIGTH", "DISPATCHER_IN_FLIGHT"), ("DISPATCHER_XYZ", None)]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ADMIN_KEY", "", "nobody can make the first API key"),
        ("ADMIN_KEY", "short", "can be guessed"),
        ("AMQP_URL", "amqp://guest:guest@rabbit.example/", "guest may not log in to rabbit.example"),
        ("ATTEMPT_TIMEOUT_SECONDS", "60", "customers were told 30"),
        ("DETACH_SECONDS", "30", "slow endpoints hold up others"),
        ("IN_FLIGHT_PER_ENDPOINT", "144", "one endpoint may take all places"),
        ("RETRY_CAP_SECONDS", "1", "no wait grows"),
        ("EXPIRE_HOURS", "241", "their events kept for 10 days only"),
        ("ALLOW_HTTP", "true", "plain text"),
        ("EGRESS_ALLOW", "10.0.0.0/8", "10.0.0.0/8 (16777216 addresses, on every port)"),
        ("EGRESS_ALLOW", "10.0.0.1/32:8080", "webhooks may lead to 10.0.0.1/32:8080, which"),
    ],
)
def test_settings_that_can_hardly_be_meant_are_doubted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv("DISPATCHER_ADMIN_KEY", "scorm_a-key-that-nobody-guesses")
    assert list(doubts.doubts()) == []
    monkeypatch.setenv(f"DISPATCHER_{name}", value)
    [doubt] = doubts.doubts()
    assert words in doubt.found
    assert doubt.remedy


@pytest.mark.parametrize(
    ("days", "state", "words"),
    [
        ((-1, 30), State.OK, "is valid until"),
        ((-1, 13), State.WARNING, "expires on"),
        ((-3, -1), State.FAILED, "expired on"),
        ((1, 30), State.FAILED, "is not valid before"),
    ],
)
def test_a_certificate_is_judged_by_its_dates(tmp_path: Any, days: tuple[int, int], state: State, words: str) -> None:
    file = Authority().sign("broker.example", days=days).write(tmp_path / "it.pem")
    found = tls.judged("broker certificate", tls.certificates_in(str(file)), "renew it")
    assert found.state is state
    assert "CN=broker.example" in found.found
    assert words in found.found


async def test_a_check_that_breaks_takes_nothing_from_the_others_nor_from_itself() -> None:
    async def broken() -> Any:
        yield Finding("one", State.OK, "fine")
        raise ZeroDivisionError("amqp://user:word@host")

    async def whole() -> Any:
        yield Finding("two", State.OK, "fine")

    first, second, third = await diagnose({"broken": broken, "whole": whole})
    assert (first.check, third.check) == ("one", "two")
    assert (second.check, second.state) == ("broken", State.FAILED)
    assert "ZeroDivisionError" in second.found
    assert "word" not in repr(second)


def test_services_are_asked_where_the_settings_say_and_where_options_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_INGEST_HOST", "0.0.0.0")
    monkeypatch.setenv("DISPATCHER_API_HOST", "::")
    monkeypatch.setenv("DISPATCHER_FANOUT_PORT", "0")
    found = addresses(named(["delivery=http://one:1/", "delivery=http://two:2"]))
    assert [(one.service, str(one.url) if one.url else None) for one in found] == [
        ("ingest", "http://127.0.0.1:8081"),
        ("fanout", None),
        ("scheduler", "http://127.0.0.1:8084"),
        ("api", "http://[::1]:8080"),
        ("delivery", "http://one:1"),
        ("delivery", "http://two:2"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["0"],
        ["1000001"],
        ["5", "--per-second", "100000"],
        ["5", "--per-second", "0"],
        ["5", "--sessions", "0"],
        ["many"],
    ],
)
def test_absurd_load_is_refused_before_anything_is_done(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["load", *arguments, "--tenant", "t"]).exit_code == 2


def test_load_needs_a_tenant_to_be_named() -> None:
    done = CliRunner().invoke(app, ["load", "5"])
    assert done.exit_code == 2
    assert "--tenant" in done.output


async def test_a_bug_ends_load_instead_of_being_waited_for() -> None:
    async def send(body: bytes) -> None:
        raise ZeroDivisionError

    load = LoadWork(Load(wanted=3), make=lambda _: b"{}", send=send, stopped=asyncio.Event())
    async with asyncio.timeout(20):
        with pytest.raises(ZeroDivisionError):
            await load.run(per_second=100)


@pytest.mark.parametrize("given", ["api", "api=", "api=ftp://x", "none=http://x", "api=http://", "=http://x"])
def test_an_address_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(StartupError, match="--service"):
        named([given])


def site(**changes: Any) -> Site:
    """A healthy one, but for `changes`."""
    depths = [Depth(queue.name, 0, 1 if queue.name in WORK else 0) for queue in QUEUES]
    glance = Glance(at=NOW, due=[Due(None, None, 0)], oldest_due=None, oldest_handed=None, dead=0, failing=0)
    ready = [Readiness(Address("api", URL("http://api")), Health.READY)]
    return Site(**{"services": ready, "queues": depths, "store": glance, "offset_seconds": 0.1, **changes})


def test_a_healthy_site_has_no_trouble_also_when_things_wait_for_a_person() -> None:
    assert list(site().troubles()) == []
    glance = Glance(at=NOW, due=[], oldest_due=NOW - timedelta(seconds=59), oldest_handed=NOW, dead=9, failing=9)
    waiting = site(queues=[Depth(PARKED, 7, 0)], store=glance)
    assert list(waiting.troubles()) == []
    assert waiting.parked == 7


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"services": [Readiness(Address("api", None), Health.UNKNOWN)]}, "api is address unknown"),
        ({"services": [Readiness(Address("api", None), Health.NOT_READY, "no")]}, "api is not ready: no"),
        ({"queues": [Depth("fanout", 0, 0)]}, "nobody takes from the queue fanout"),
        ({"queues": "RabbitMQ: away"}, "RabbitMQ: away"),
        ({"store": "MongoDB: away"}, "MongoDB: away"),
        ({"offset_seconds": -11.0}, "this machine's clock and MongoDB's are 11.0 s apart"),
        (
            {
                "store": Glance(
                    at=NOW, due=[], oldest_due=NOW - timedelta(minutes=2), oldest_handed=None, dead=0, failing=0
                )
            },
            "a delivery that was due 2 min ago still waits",
        ),
    ],
)
def test_each_trouble_is_told(changes: dict[str, Any], words: str) -> None:
    assert list(site(**changes).troubles()) == [words]


@pytest.mark.parametrize("event_type", GUIDE_TYPES)
def test_made_up_events_are_valid_and_are_of_so_many_sessions(event_type: str) -> None:
    template = Template(run="r", event_type=event_type, tenant="t", sessions=3)
    events = [parse(template.event(number, NOW), now=NOW) for number in range(7)]
    assert [one.event_id for one in events] == [f"load_r_{number}" for number in range(7)]
    about = "session_id" if event_type.startswith("session.") else "package_id"
    assert len({json.loads(one.data)[about] for one in events}) == 3
    assert template.event(5, NOW) == template.event(5, NOW)


def test_groups_are_all_numbers_once_and_in_order() -> None:
    assert [list(one) for one in groups(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(groups(0, 3)) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:hush@rabbit:5672/site", "rabbit:5672/site"),
        ("mongodb://user:hush@one:1,two:2/?replicaSet=rs0", "one:1,two:2/"),
        ("mongodb://user:12/hush@rabbit:5672/site", "rabbit:5672/site"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert address(url) == shown


@pytest.mark.parametrize("password", ["12/hush", "12?hush", "12#hush"])
def test_a_password_that_would_be_taken_for_a_port_is_refused(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_AMQP_URL", f"amqp://user:{password}@rabbit:5672/site")
    with pytest.raises(StartupError, match="percent-encoded") as refused:
        wiring.amqp_url()
    assert "12" not in str(refused.value)
