"""The dashboard's pages of events: found by id, type and time; where each went, and why not elsewhere."""

import html
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import quote

import pytest
import pytest_asyncio
from aiohttp import ClientSession, CookieJar

from deploy.local.servers import Server
from services.api.dashboard.addresses import event_address
from shared.contracts.event import parse
from shared.ids import event_key
from shared.times import iso
from tests.cluster import ADMIN_KEY, SESSION, TENANT
from tests.integration.test_api import Site, delivered, opened_site
from tests.integration.test_dashboard import OTHER, SCRIPT, Browser, key_of

ODD = ["a/b?c#d%2Fe", "<script>alert(1)</script>", "\"'&;=+", "%00%", "..", ".", "~" * 255]


@pytest_asyncio.fixture(loop_scope="session")
async def site(mongodb: Server) -> AsyncIterator[Site]:
    async with opened_site(mongodb.url, most=300) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def browser(site: Site) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        yield Browser(site, http)


async def kept(
    site: Site, event_id: str, event_type: str = "session.created", data: str | None = None, hours_ago: float = 0
) -> None:
    """An event whose fan-out was done so long ago."""
    fields = json.dumps({"event": event_type, "tenant_id": TENANT, "event_id": event_id})
    raw = f'{fields[:-1]}, "data": {data or json.dumps(SESSION)}}}'
    await site.events.mark([parse(raw.encode(), now=site.mongo.now())])
    moved = {"$set": {"created_at": site.mongo.now() - timedelta(hours=hours_ago)}}
    await site.mongo.db.events.update_one({"_id": event_key(TENANT, event_id)}, moved)


def listed(page: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(r'<td class="id"><a href="[^"]+">(.*?)</a>', page)]


async def test_events_are_found_by_type_time_and_page_by_page(site: Site, browser: Browser) -> None:
    for n in range(30):
        await kept(site, f"e{n:02}", "session.created" if n % 3 else "session.progress", hours_ago=n)
    await browser.sign_in(await key_of(site, "read"))
    await browser.get("/events")
    first = listed(browser.page)
    assert first == [f"e{n:02}" for n in range(25)]
    older = re.search(r'href="(\?[^"]*cursor[^"]*)" rel="next"', browser.page)
    assert older
    await browser.get("/events" + html.unescape(older[1]))
    assert listed(browser.page) == [f"e{n:02}" for n in range(25, 30)]
    await browser.get("/events?event_type=session.progress&since=10h&until=90m&event_id=")
    assert listed(browser.page) == ["e03", "e06", "e09"]
    await browser.get("/events?since=" + quote(iso(site.mongo.now() - timedelta(minutes=90))))
    assert listed(browser.page) == ["e00", "e01"]
    for written in ("%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"):
        at = (site.mongo.now() - timedelta(minutes=90)).strftime(written)
        await browser.get("/events?since=" + quote(at))
        assert listed(browser.page) == ["e00", "e01"], written
    await browser.get("/events?until=2020-01-01")
    assert browser.status == 200
    assert listed(browser.page) == []
    await browser.get("/events?since=soon")
    assert browser.status == 400
    assert "since" in browser.page


@pytest.mark.parametrize("event_id", ODD)
async def test_whatever_an_id_holds_its_event_is_linked_and_found_by_it(
    site: Site, browser: Browser, event_id: str
) -> None:
    await kept(site, event_id)
    for key in (await key_of(site, "read"), ADMIN_KEY):
        await browser.sign_in(key)
        if key == ADMIN_KEY:
            await browser.post("/tenant", tenant_id=TENANT)
        await browser.get("/events")
        assert SCRIPT not in browser.page
        (address,) = re.findall(r'<td class="id"><a href="/dashboard([^"]+)"', browser.page)
        for where in (html.unescape(address), "/events?event_id=" + quote(event_id, safe="")):
            await browser.get(where)
            assert browser.status == 200, browser.page
            assert (
                f"<code>{html.escape(event_id).replace('&#x27;', '&#39;').replace('&quot;', '&#34;')}</code>"
                in browser.page
            )
            assert SCRIPT not in browser.page


@pytest.mark.parametrize("event_id", ["nothing", "%00", "a b", "é", "x" * 300, "\r\nX-Odd: 1", "a/../../webhooks"])
async def test_a_search_for_what_is_not_there_says_so(browser: Browser, site: Site, event_id: str) -> None:
    await browser.sign_in(await key_of(site, "read"))
    await browser.get("/events?event_id=" + quote(event_id, safe="%"))
    assert (browser.status, "there is no event" in browser.page) == (404, True)


async def test_an_event_shows_where_it_went_and_why_not_elsewhere(site: Site, browser: Browser) -> None:
    took = await site.create(event_type="session.created", url="https://your-app.com/took")
    await site.create(event_type="session.completed", url="https://your-app.com/other")
    late = await site.create(event_type="session.*", url="https://your-app.com/late")
    delivery = await delivered(site, took["id"])
    await browser.sign_in(await key_of(site, "read"))
    await browser.get("/deliveries/" + delivery)
    assert 'href="/dashboard/events/e1"' in browser.page
    await browser.get("/events/e1")
    went, others = browser.page.split("<details>")
    assert f'href="/dashboard/deliveries/{delivery}"' in went
    assert ">pending<" in went
    assert "your-app.com/took" in went
    assert "your-app.com/other" not in went
    assert "2 other webhooks: why not" in others
    assert "session.completed" in others
    assert f'href="/dashboard/webhooks/{late["id"]}"' in others
    assert "It would go there today" in others


async def test_of_many_webhooks_the_page_shows_some_and_says_how_many_more(site: Site, browser: Browser) -> None:
    await kept(site, "e1")
    first = await site.create(event_type="session.completed")
    (document,) = await site.mongo.db.webhooks.find().to_list(None)
    copies = [{**document, "_id": f"webhook_{n:03}", "url": f"https://your-app.com/{n}"} for n in range(250)]
    await site.mongo.db.webhooks.insert_many(copies)
    await browser.sign_in(await key_of(site, "read"))
    await browser.get("/events/e1")
    assert "251 other webhooks: why not" in browser.page
    assert "And 151 more." in browser.page
    assert browser.page.count("/dashboard/webhooks/webhook_") == 100
    assert first["id"]


async def test_data_is_shown_with_its_numbers_as_they_were_published_and_stays_text(
    site: Site, browser: Browser
) -> None:
    text = SCRIPT + r"\u0000\u202e"
    numbers = '"n": 1.10, "big": 12345678901234567890123'
    data = f'{{"session_id": "s", "package_id": "p", "user_id": "u", {numbers}, "x": "{text}"}}'
    await kept(site, "e1", data=data)
    await browser.sign_in(await key_of(site, "read"))
    await browser.get("/events/e1")
    assert browser.status == 200
    assert "1.10" in browser.page
    assert "12345678901234567890123" in browser.page
    assert html.escape(SCRIPT) in browser.page
    assert SCRIPT not in browser.page
    assert not re.search("[\0\u202e]", browser.page)


async def test_the_operator_sees_an_event_of_the_tenant_that_is_picked_or_named(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    delivery = await delivered(site, webhook["id"])
    await browser.sign_in(ADMIN_KEY)
    for path in ("/events", "/events/e1"):
        await browser.get(path)
        assert browser.status == 200
        assert "Pick a tenant above" in browser.page
    await browser.get("/deliveries/" + delivery)
    assert event_address("e1", TENANT) in html.unescape(browser.page)
    for picked in ("", OTHER):
        await browser.post("/tenant", tenant_id=picked)
        await browser.get(event_address("e1", TENANT).removeprefix("/dashboard"))
        assert browser.status == 200
        assert delivery in browser.page
    await browser.get("/events/e1")
    assert browser.status == 404
    await browser.sign_in(await key_of(site, "read", tenant=OTHER))
    await browser.get(event_address("e1", TENANT).removeprefix("/dashboard"))
    assert browser.status == 403
    assert delivery not in browser.page
