"""The dashboard's dead letters: for the operator alone, narrowed, sent again and given up, with counts."""

import html
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession, CookieJar

from deploy.local.servers import Server
from services.api import dead_letters
from tests.cluster import ADMIN_KEY
from tests.integration.test_api import Site, opened_site
from tests.integration.test_cli_dead_letters import Desk
from tests.integration.test_dashboard import SCRIPT, Browser, key_of

ACTS = ("/dead-letters/retry", "/dead-letters/discard", "/parked/retry", "/parked/discard")
PAGES = ("/dead-letters", "/parked", "/parked/message?id=parked_" + "0" * 16, *ACTS)


@pytest_asyncio.fixture(loop_scope="session")
async def site(mongodb: Server) -> AsyncIterator[Site]:
    async with opened_site(mongodb.url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def desk(site: Site) -> Desk:
    """Makes dead letters."""
    made = Desk("", site.mongo)
    await made.webhook("live")
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def browser(site: Site) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        yield Browser(site, http)


def listed(page: str) -> list[str]:
    return re.findall(r'href="/dashboard/deliveries/delivery_([^"]+)"', page)


def link(page: str, words: str) -> str:
    found = re.search(rf'href="(?:/dashboard)?([^"]+)"[^>]*>{re.escape(words)}<', page)
    assert found, words
    return html.unescape(found[1])


def held(page: str) -> dict[str, str]:
    """Hidden fields of the form in the page's content, without the token."""
    main = page[page.index("<main") :]
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', main)
    return {name: html.unescape(value) for name, value in found if name != "csrf"}


async def test_none_but_the_operator_gets_in_and_sees_the_way(site: Site, browser: Browser) -> None:
    for scopes in (("read",), ("read", "write"), ("admin",)):
        await browser.sign_in(await key_of(site, *scopes))
        assert "/dashboard/dead-letters" not in browser.page
        assert "/dashboard/parked" not in browser.page
        for path in PAGES:
            await browser.get(path)
            assert browser.status == 403, path
        for path in ACTS:
            await browser.get("/webhooks")
            await browser.post(path)
            assert browser.status == 403, path


async def test_they_are_listed_with_why_and_narrowed_as_by_the_commands(desk: Desk, browser: Browser) -> None:
    await desk.delivery("a", tenant="acme", answers=[503])
    await desk.delivery("b", tenant="other", webhook="gone", event="session.completed", answers=[404], hours_ago=5)
    await browser.sign_in(ADMIN_KEY)
    await browser.get("/dead-letters")
    assert listed(browser.page) == ["a", "b"]
    assert "2 match." in browser.page
    assert "attempts exhausted" in browser.page
    for query, found in {
        "tenant_id=acme": ["a"],
        "webhook_id=webhook_gone": ["b"],
        "event_type=session.completed": ["b"],
        "response_status=5xx": ["a"],
        "since=2h": ["a"],
        "until=2h": ["b"],
        "reason=expired": [],
        "tenant_id=&reason=": ["a", "b"],
        "tenant_id=acme&response_status=404": [],
    }.items():
        await browser.get("/dead-letters?" + query)
        assert (browser.status, listed(browser.page)) == (200, found), query
    await browser.post("/tenant", tenant_id="other")
    await browser.get("/dead-letters")
    assert listed(browser.page) == ["b"]
    for wrong in ("since=soon", "webhook_id=x", "cursor=x", "reason=" + SCRIPT, "odd=1"):
        await browser.get("/dead-letters?" + wrong)
        assert browser.status == 400, wrong
        assert SCRIPT not in browser.page


async def test_one_is_sent_again_or_discarded_from_its_row(desk: Desk, browser: Browser) -> None:
    for name in ("a", "b", "c"):
        await desk.delivery(name, tenant="acme")
    await browser.sign_in(ADMIN_KEY)
    await browser.get("/dead-letters?tenant_id=acme")
    await browser.post("/dead-letters/retry", ids="delivery_a", tenant_id="acme")
    assert "Before: 3. Sent again: 1. Left: 2." in browser.page
    assert browser.path == "/dashboard/dead-letters"
    assert sorted(listed(browser.page)) == ["b", "c"]
    await browser.post("/dead-letters/discard", ids="delivery_b", tenant_id="acme")
    assert "Before: 2. Discarded: 1. Left: 1." in browser.page
    assert await desk.statuses() == {"a": "waiting", "b": "cancelled", "c": "dead"}
    await browser.post("/dead-letters/retry", ids="delivery_b", tenant_id="acme")
    assert "delivery_b is cancelled" in browser.page
    assert await desk.number("cancelled") == 1


async def test_many_are_asked_about_first_and_what_cannot_be_sent_is_left_alone(desk: Desk, browser: Browser) -> None:
    await desk.webhook("off", is_active=False, disabled_reason="gone")
    for n in range(4):
        await desk.delivery(f"s{n}", tenant="acme")
    await desk.delivery("o", tenant="acme", webhook="off")
    await desk.delivery("d", tenant="acme", webhook="deleted")
    await desk.delivery("e", tenant="acme", event_kept=False)
    await desk.delivery("x", tenant="other")
    await browser.sign_in(ADMIN_KEY)
    await browser.get("/dead-letters?tenant_id=acme&since=1h")
    await browser.get(link(browser.page, "Retry all of them…"))
    assert "7 match; 4 would be sent again." in browser.page
    for reason in ("webhook_off is inactive (gone)", "webhook_deleted was deleted", "the event is no longer kept"):
        assert f"Left alone would be 1 ({reason})." in browser.page
    assert await desk.number("dead") == 8
    meant = held(browser.page)
    assert meant.keys() == {"tenant_id", "since"}
    await browser.post("/dead-letters/retry", **meant)
    assert "Before: 7. Sent again: 4. Left: 3." in browser.page
    assert await desk.number("waiting") == 4
    await browser.get(link(browser.page, "Discard all of them…"))
    assert "3 match; 3 would be discarded." in browser.page
    await browser.post("/dead-letters/discard", **held(browser.page))
    assert "Before: 3. Discarded: 3. Left: 0." in browser.page
    assert [name for name, status in (await desk.statuses()).items() if status == "dead"] == ["x"]


async def test_very_many_are_done_some_at_a_time_and_none_is_left_out_or_done_twice(
    desk: Desk, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "AT_ONCE", 4)
    monkeypatch.setattr(dead_letters, "_GROUP", 2)
    for n in range(4):
        await desk.delivery(f"d{n}", webhook="deleted", hours_ago=20 - n)
    for n in range(6):
        await desk.delivery(f"s{n}", hours_ago=10 - n)
    await browser.sign_in(ADMIN_KEY)
    await browser.get("/dead-letters/retry")
    assert "10 match; of the next 4, oldest first, 0 would be sent again." in browser.page.replace("1,000", "4")
    await browser.get("/dead-letters/retry" + link(browser.page, "Skip these"))
    rounds = []
    while meant := held(browser.page):
        await browser.post("/dead-letters/retry", **meant)
        said = re.search(r"Sent again: (\d+). Left: (\d+)", browser.page)
        assert said
        rounds.append((int(said[1]), int(said[2])))
        if browser.path == "/dashboard/dead-letters":
            break
        assert "go on here" in browser.page
    assert rounds == [(4, 6), (2, 4)]
    assert {(await desk.get(f"s{n}"))["round"] for n in range(6)} == {2}
    assert await desk.number("dead") == 4


async def test_a_key_of_an_operator_that_only_reads_looks_and_cannot_act(
    site: Site, desk: Desk, browser: Browser
) -> None:
    await desk.delivery("a")
    _, secret = await site.keys.create(None, frozenset({"read"}))
    await browser.sign_in(secret)
    await browser.get("/dead-letters")
    assert listed(browser.page) == ["a"]
    assert "/dead-letters/retry" not in browser.page
    await browser.post("/dead-letters/discard", ids="delivery_a")
    assert browser.status == 403
    assert await desk.number("dead") == 1
