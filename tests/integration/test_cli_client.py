"""How commands ask a service: what is repeated, what is waited for, what is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web

from services.cli.client import Address, Client, path
from services.cli.each import each
from services.cli.refusal import Away, Missing
from services.cli.running import Interrupted
from services.cli.tail import Wanted, tail
from shared.errors import DispatcherError, StartupError
from shared.times import EPOCH, iso
from tests.cluster import Received, receiver

NOW = {"Retry-After": "0"}
AWAY = {"error": "a dependency is away, nothing was promised: try again", "code": "SERVICE_UNAVAILABLE", "details": {}}
BUSY = {"error": "more than 5 requests in a minute", "code": "RATE_LIMIT_EXCEEDED", "details": {}}
GOOD = web.json_response
Answer = Callable[[], web.Response]


@asynccontextmanager
async def asking(
    *answers: Answer, stopped: asyncio.Event | None = None
) -> AsyncIterator[tuple[Client, list[Received]]]:
    """A client of a service that gives these answers, and then the last one again and again."""

    def answer(_: web.Request, received: Received) -> web.Response:
        return answers[min(len(endpoint.requests), len(answers)) - 1]()

    async with receiver(answer) as endpoint, ClientSession(headers={"X-API-Key": "scorm_k"}) as http:
        address = Address(url=endpoint.url, variable="DISPATCHER_API_URL", key_from="DISPATCHER_API_KEY")
        yield Client(http, address, stopped or asyncio.Event()), endpoint.requests


def refused(status: int, body: Any, headers: dict[str, str] | None = None) -> Answer:
    return lambda: web.json_response(body, status=status, headers=headers)


def problem(code: str, words: str, **details: Any) -> dict[str, Any]:
    return {"error": words, "code": code, "details": details}


async def test_a_read_is_tried_again_while_a_dependency_is_away() -> None:
    async with asking(refused(503, AWAY, NOW), refused(503, AWAY, NOW), lambda: GOOD({"id": "x"})) as (api, requests):
        assert (await api.get("/x")).json == {"id": "x"}
        assert len(requests) == 3


async def test_a_read_is_given_up_with_the_address_and_the_words() -> None:
    async with asking(refused(503, AWAY, NOW)) as (api, requests):
        with pytest.raises(
            Away, match=r"^http://127\.0\.0\.1:\d+ \(DISPATCHER_API_URL\): SERVICE_UNAVAILABLE: a depend"
        ):
            await api.get("/x")
        assert len(requests) == 4


async def test_a_change_is_sent_once_unless_it_may_be_repeated() -> None:
    async with asking(refused(503, AWAY, NOW), lambda: GOOD({})) as (api, requests):
        with pytest.raises(Away):
            await api.change("POST", "/x", {})
        assert len(requests) == 1
    async with asking(refused(503, AWAY, NOW), lambda: GOOD({})) as (api, requests):
        await api.repeatable("POST", "/x", b"{}", headers={"Idempotency-Key": "k"})
        assert [one.headers["Idempotency-Key"] for one in requests] == ["k", "k"]


async def test_too_many_requests_are_waited_for_as_told_by_changes_too(capsys: pytest.CaptureFixture[str]) -> None:
    async with asking(refused(429, BUSY, NOW), lambda: GOOD({})) as (api, requests):
        await api.change("POST", "/x", {})
        assert len(requests) == 2
    assert "RATE_LIMIT_EXCEEDED: more than 5 requests in a minute; waiting 0 s" in capsys.readouterr().err


async def test_a_wait_ends_with_ctrl_c() -> None:
    stopped = asyncio.Event()

    def busy() -> web.Response:
        stopped.set()
        return web.json_response(BUSY, status=429, headers={"Retry-After": "60"})

    async with asking(busy, stopped=stopped) as (api, _):
        with pytest.raises(Interrupted):
            await api.get("/x")


async def test_a_request_under_way_ends_with_ctrl_c_and_a_change_says_that_it_may_have_been_made() -> None:
    stopped = asyncio.Event()

    async def never(_: web.Request, __: Received) -> int:
        stopped.set()
        await asyncio.Event().wait()
        return 200

    async with receiver(never) as endpoint, ClientSession() as http:
        api = Client(http, Address(url=endpoint.url, variable="X", key_from="Y"), stopped)
        with pytest.raises(Interrupted, match="may have been made or not"):
            await api.change("POST", "/x", {})


async def test_nobody_there_is_away_and_names_the_address() -> None:
    async with ClientSession() as http:
        address = Address(url="http://127.0.0.1:1", variable="DISPATCHER_API_URL", key_from="Y")
        with pytest.raises(Away, match=r"^http://127\.0\.0\.1:1 \(DISPATCHER_API_URL\): Cannot connect"):
            await Client(http, address, asyncio.Event()).change("POST", "/x", {})


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, problem("INVALID_REQUEST", "tenant_id: needed", field="tenant_id"), StartupError, "--tenant: needed"),
        (
            400,
            problem("INVALID_REQUEST", "since: no", field="since", since=1),
            StartupError,
            r"--since: no \(since 1\)",
        ),
        (401, problem("UNAUTHORIZED", "a key"), StartupError, r"UNAUTHORIZED: a key \(used: DISPATCHER_API_KEY; need"),
        (
            403,
            problem("INSUFFICIENT_SCOPES", "lacks the scope 'write'", required="write"),
            DispatcherError,
            r"used: DISPATCHER_API_KEY; needed: a key with the scope write",
        ),
        (403, problem("TENANT_MISMATCH", "tenant_id: another"), DispatcherError, "key of that tenant, or the operator"),
        (403, problem("FORBIDDEN", "no"), DispatcherError, "needed: the operator's key"),
        (404, problem("WEBHOOK_NOT_FOUND", "there is no webhook"), Missing, "WEBHOOK_NOT_FOUND: there is no"),
        (409, problem("INVALID_REQUEST", "it ended already"), DispatcherError, "INVALID_REQUEST: it ended already"),
        (404, "<html>", StartupError, r"DISPATCHER_API_URL\): answered 404.*is the address right"),
        (301, None, StartupError, "points to http://elsewhere.example"),
    ],
)
async def test_a_refusal_is_one_line_with_what_would_be_right(
    status: int, body: Any, kind: type[Exception], words: str
) -> None:
    headers = {"Location": "http://elsewhere.example/"} if status == 301 else None
    async with asking(refused(status, body, headers)) as (api, requests):
        with pytest.raises(kind, match=words) as told:
            await api.get("/x")
        assert "\n" not in str(told.value)
        assert len(requests) == 1
        assert type(told.value) is kind, "a script tells them apart by the exit code"


async def test_a_list_is_read_page_by_page_up_to_the_limit() -> None:
    def page(first: int, number: int, cursor: str | None) -> Answer:
        return lambda: GOOD({"things": [{"id": n} for n in range(first, first + number)], "next_cursor": cursor})

    async with asking(page(0, 200, "c1"), page(200, 50, "c2")) as (api, requests):
        found = await api.rows("/things", "things", 250, tenant_id=None)
        assert [row["id"] for row in found.rows] == list(range(250))
        assert found.more
    assert [one.path for one in requests] == ["/things", "/things"]
    async with asking(page(0, 3, None)) as (api, requests):
        assert not (await api.rows("/things", "things", 250)).more


async def test_tail_waits_for_an_api_that_is_away_and_misses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    stopped = asyncio.Event()
    old, new = ({"id": name, "event": "session.created", "created_at": iso(EPOCH)} for name in ("old", "new"))

    def page(*events: dict[str, str]) -> Answer:
        return lambda: GOOD({"events": events, "next_cursor": None})

    def last() -> web.Response:
        stopped.set()
        return GOOD({"events": [new, old], "next_cursor": None})

    away = [refused(503, AWAY, NOW)] * 4
    async with asking(page(old), page(old), *away, page(new, old), last, stopped=stopped) as (api, _):
        with pytest.raises(Interrupted):
            await tail(api, Wanted(tenant_id="t", event_type=None, since=None, deliveries=False, as_json=False))
    printed = capsys.readouterr()
    assert printed.out == f"{iso(EPOCH)}  event  session.created  new\n"
    assert printed.err.count("trying again") == 1


async def test_ids_cannot_leave_their_place_in_a_path() -> None:
    assert path("events", "a/../b?c=d#e%2F") == "/api/v1/events/a%2F..%2Fb%3Fc%3Dd%23e%252F"


async def test_one_that_is_refused_does_not_keep_the_others_from_being_done(capsys: pytest.CaptureFixture[str]) -> None:
    async def act(one: str) -> None:
        if one == "b":
            raise DispatcherError("there is no \x1b[31m b")

    assert await each(["a", "b", "c", "a"], act, "deleted", as_json=False) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["a deleted", "c deleted"]
    assert printed.err == "dispatcher: b: there is no \\x1b[31m b\n"
