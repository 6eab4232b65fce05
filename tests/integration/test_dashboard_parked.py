"""The dashboard's parked messages, on a real RabbitMQ: looked at, sent again, discarded; and while that is away."""

import asyncio
import contextlib
import html
import re
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession, CookieJar

from deploy.local.servers import Server
from services.api import parked as parked_service
from services.api.__main__ import build
from services.api.parked import ParkedService
from services.api.queues import QueueService
from shared.broker.browser import Browser as Look
from shared.broker.lookout import Lookout
from shared.broker.parked_choice import ParkedWanted
from shared.broker.parking import park
from shared.broker.topology import DELIVERIES, FANOUT, PARKED, QUEUES
from shared.errors import DependencyUnavailable, InvalidMessage
from tests.cluster import ADMIN_KEY, SECRET_KEYS, until
from tests.integration.test_api import Site, opened_site
from tests.integration.test_cli_parked import EVENT, Desk, sitting
from tests.integration.test_dashboard import SCRIPT, Browser
from tests.integration.test_dashboard_dead_letters import held, link
from tests.queues import taken
from tests.servers import PrivateServers

MANY = 10_000
BROKEN = b'\xff\x00\xfe{"' + SCRIPT.encode()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(rabbitmq: Server) -> AsyncIterator[Desk]:
    async with sitting(rabbitmq.url) as made:
        await made.clear()
        yield made
        await made.clear()


@pytest_asyncio.fixture(loop_scope="session")
async def site(mongodb: Server, rabbitmq: Server) -> AsyncIterator[Site]:
    async with opened_site(mongodb.url, amqp_url=rabbitmq.url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def browser(site: Site) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        made = Browser(site, http)
        await made.sign_in(ADMIN_KEY)
        yield made


def listed(page: str) -> list[str]:
    return re.findall(r'href="/dashboard/parked/message\?id=(parked_[0-9a-f]+)"', page)


async def test_they_are_listed_oldest_first_with_why_and_narrowed(desk: Desk, browser: Browser) -> None:
    await browser.get("/parked")
    assert "0 are parked." in browser.page
    await desk.park(b"{", "not JSON: it ends")
    await desk.park(EVENT, "data: missing field", came_from=DELIVERIES)
    await browser.get("/parked")
    first, second = listed(browser.page)
    assert "2 are parked." in browser.page
    assert browser.page.index("not JSON: it ends") < browser.page.index("data: missing field")
    assert ">acme<" in browser.page
    for query, found in {
        "came_from=deliveries": [second],
        "reason=not+json": [first],
        "tenant_id=acme": [second],
        "since=1h": [first, second],
        "until=1h": [],
        "came_from=&reason=": [first, second],
    }.items():
        await browser.get("/parked?" + query)
        assert (browser.status, listed(browser.page)) == (200, found), query
    for wrong in ("since=soon", "id=x", "odd=1", "tenant_id=" + SCRIPT):
        await browser.get("/parked?" + wrong)
        assert browser.status == 400, wrong
    assert await desk.depth() == 2


async def test_one_is_shown_whole_and_whatever_is_in_it_stays_text(desk: Desk, browser: Browser) -> None:
    await desk.park(EVENT, SCRIPT, odd=SCRIPT, raw=bytearray(b"\xff\x00"), nested={"a": [1, SCRIPT]})
    await desk.park(BROKEN, "not JSON\0\u202e")
    await desk.park(b'{"tenant_id": "\\u0000' + SCRIPT.encode() + b'", "x": "' + b"y" * 300_000 + b'"}')
    await desk.park(b"")
    await browser.get("/parked")
    found = listed(browser.page)
    assert len(found) == 4
    for parked_id in found:
        assert html.escape(SCRIPT) in browser.page
        await browser.get("/parked/message?id=" + parked_id)
        assert browser.status == 200
        assert len(browser.page) < 500_000
        assert SCRIPT not in browser.page
        assert not re.search("[\0\u202e\ufffd]", browser.page)
        await browser.get("/parked")
    await browser.get("/parked/message?id=" + found[0])
    assert "&#34;n&#34;: 1.10" in browser.page
    await browser.get("/parked/message?id=" + found[1])
    assert "000000  ff 00 fe 7b 22 3c 73 63" in browser.page
    await browser.get("/parked/message?id=" + found[2])
    assert "There is more of it" in browser.page
    await browser.get("/parked/message?id=parked_0123456789abcdef")
    assert browser.status == 404
    assert "among the first 4 of 4" in browser.page


async def test_one_is_sent_again_and_one_discarded_after_a_question(desk: Desk, browser: Browser) -> None:
    await desk.park(EVENT, message_id="m1")
    await desk.park(b"{", came_from="elsewhere")
    await browser.get("/parked")
    first, second = listed(browser.page)
    assert browser.page.count("Send again<") == 1
    await browser.post("/parked/retry", id=first)
    assert "Before: 2. Sent again: 1. Left: 1." in browser.page
    ((body, message_id),) = [(one.body, one.message_id) for one in await taken(desk.url, FANOUT)]
    assert (body, message_id) == (EVENT, "m1")
    await browser.post("/parked/retry", id=second)
    assert "Sent again: 0. Left: 1. Left alone: 1 (came from &#39;elsewhere&#39;" in browser.page
    await browser.get(link(browser.page, "Discard…"))
    assert "1 would be discarded" in browser.page
    assert await desk.depth() == 1
    await browser.post("/parked/discard", **held(browser.page))
    assert "Before: 1. Discarded: 1. Left: 0." in browser.page
    assert await desk.depth() == 0


class NoText(str):
    """Sent as text, as a client of another language would, and is none."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:  # type: ignore[override]
        return b"\xff\x00"


async def test_one_with_a_header_that_is_no_text_is_parked_shown_and_sent_again(desk: Desk, browser: Browser) -> None:
    await desk.publisher.publish("", FANOUT, EVENT, headers={"odd": NoText("x"), "in": {"it": [NoText("x")]}})
    async with Look(url=desk.url, name="test", queue=FANOUT) as looking:
        async for group in looking.groups():
            assert group[0].headers["odd"] == b"\xff\x00"
            await park(desk.publisher, FANOUT, group[0], InvalidMessage("odd"))
            await looking.ack(group[0])
    await browser.get("/parked")
    (one,) = listed(browser.page)
    await browser.get("/parked/message?id=" + one)
    assert browser.status == 200
    await browser.post("/parked/retry", id=one)
    assert "Sent again: 1. Left: 0." in browser.page


async def test_all_that_are_meant_are_asked_about_and_no_others_touched(desk: Desk, browser: Browser) -> None:
    for n in range(5):
        await desk.park(b"%d" % n, "meant")
    await desk.park(b"other", "not that")
    await browser.get("/parked?reason=meant")
    await browser.get(link(browser.page, "Send all of them again…"))
    assert "6 are parked; 5 match, and 5 would be sent again." in browser.page
    assert await desk.depth() == 6
    await browser.post("/parked/retry", **held(browser.page))
    assert "Before: 6. Sent again: 5. Left: 1." in browser.page
    assert await desk.depth(FANOUT) == 5
    assert await desk.depth() == 1


async def test_very_many_are_done_some_at_a_time(desk: Desk, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked_service, "LOOKED_AT", 40)
    await desk.park_many(100)
    await browser.get("/parked/discard")
    assert "100 are parked; 40 of the first 40 match, and 40 would be discarded." in browser.page
    for left in (60, 20, 0):
        await browser.post("/parked/discard", **held(browser.page))
        assert f"Left: {left}." in browser.page
        assert ("go on here" in browser.page) == bool(left)
        assert await desk.depth() == left


async def test_with_ten_thousand_parked_the_page_shows_the_first_and_keeps_their_order(
    desk: Desk, browser: Browser
) -> None:
    await desk.park_many(MANY)
    looks = []
    for _ in range(3):
        await browser.get("/parked")
        looks.append(listed(browser.page))
    assert "10,000 are parked, of which the first 1,000 were looked at; the first 100 are shown." in browser.page
    assert looks[0] == looks[1] == looks[2]
    assert len(looks[0]) == 100
    assert await desk.depth() == MANY


async def test_two_who_look_at_once_both_see_all(desk: Desk, browser: Browser) -> None:
    await desk.park_many(50)

    async def look() -> int:
        async with browser.http.get(browser.site.client.make_url("/dashboard/parked")) as response:
            return len(listed(await response.text()))

    assert await asyncio.gather(look(), look(), look()) == [50, 50, 50]


async def test_the_page_tells_how_much_waits_in_each_queue(desk: Desk, browser: Browser) -> None:
    await desk.park_many(3)
    await browser.get("/parked")
    for queue in QUEUES:
        depth = 3 if queue.name == PARKED else 0
        row = (
            rf'<code>{re.escape(queue.name)}</code></td>\s*<td class="number">{depth}</td>\s*<td class="number">0</td>'
        )
        assert re.search(row, browser.page), queue.name


@contextlib.asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """Takes connections and never says a word."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        yield f"amqp://guest:guest@127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize("how", ["refuses", "silent"])
async def test_while_rabbitmq_is_away_its_pages_say_so_soon_and_the_others_work(mongodb: Server, how: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(silent()) if how == "silent" else "amqp://guest:guest@127.0.0.1:1/"
        site = await stack.enter_async_context(opened_site(mongodb.url, amqp_url=url))
        http = await stack.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True)))
        browser = Browser(site, http)
        await browser.sign_in(ADMIN_KEY)
        for path in ("/parked", "/parked/retry", "/parked/message?id=parked_" + "0" * 16):
            began = time.monotonic()
            await browser.get(path)
            assert browser.status == 503, path
            assert "RabbitMQ is away" in browser.page
            assert time.monotonic() - began < 5
        for path in ("/webhooks", "/dead-letters", "/events"):
            await browser.get(path)
            assert browser.status == 200, path


async def test_one_that_hangs_is_not_waited_for_and_is_asked_again_once_it_goes_on(
    private_servers: PrivateServers,
) -> None:
    server = private_servers.rabbitmq()
    lookout = Lookout(url=server.url, name="test")
    queues, parked = QueueService(lookout), ParkedService(lookout)

    async def answered() -> bool:
        return await queues.depths() is not None

    try:
        await until(answered, 20)
        server.pause()
        try:
            async with asyncio.timeout(30):  # its patience is 2 s each; without any this would be for ever
                for ask in (queues.depths(), queues.depths(), expecting_nobody(parked)):
                    assert await ask is None
        finally:
            server.resume()
        await until(answered, 20)
        assert (await parked.look(ParkedWanted())).there == 0
    finally:
        await lookout.stop(0)


async def expecting_nobody(parked: ParkedService) -> None:
    with pytest.raises(DependencyUnavailable):
        await parked.look(ParkedWanted())


def test_whether_the_api_is_ready_does_not_depend_on_rabbitmq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_SECRET_KEYS", SECRET_KEYS)
    service = build()
    assert service.checks.keys() == {"mongodb"}
    assert any(isinstance(part, Lookout) for part in service.parts)


async def test_rabbitmq_going_away_under_way_is_told_with_what_was_done(
    desk: Desk, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.park_many(5)
    drop, done = parked_service.drop, 0

    async def failing(*arguments: object) -> None:
        nonlocal done
        if (done := done + 1) > 2:
            raise DependencyUnavailable("RabbitMQ: gone")
        await drop(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(parked_service, "drop", failing)
    await browser.get("/parked")
    await browser.post("/parked/discard")
    assert "Discarded: 2. It ended early (RabbitMQ: gone)" in browser.page
    assert await desk.depth() == 3
