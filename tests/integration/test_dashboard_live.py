"""What of the dashboard moves by itself, and what is sent again or cancelled from it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import StreamReader

from shared.contracts.delivery import Status
from tests.cluster import TENANT
from tests.integration.test_api import Site, delivered
from tests.integration.test_dashboard import URL, Browser, browser, key_of, site

__all__ = ["browser", "site"]  # fixtures

_WINDOW = {"since": "2025-01-15T10:00", "until": "", "event_type": "", "per_second": ""}


@asynccontextmanager
async def stream(browser: Browser, path: str) -> AsyncIterator[StreamReader]:
    url = browser.site.client.make_url("/dashboard" + path)
    async with browser.http.get(url, headers={"Accept": "text/event-stream"}) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield response.content


async def message(content: StreamReader) -> str:
    """The next one; empty at the end of the stream."""
    async with asyncio.timeout(10):
        return (await content.readuntil(b"\r\n\r\n")).decode() if not content.at_eof() else ""


async def test_a_webhook_s_page_shows_what_happens_without_being_asked(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    await browser.sign_in(await key_of(site, "read"))
    async with stream(browser, f"/webhooks/{webhook['id']}/live?status=pending") as content:
        first = await message(content)
        assert "No deliveries here" in first
        assert webhook["url"] in first  # how it does comes along
        identity = await delivered(site, webhook["id"])
        assert identity in await message(content)


async def test_a_delivery_s_page_stops_to_ask_once_it_has_ended(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    identity = await delivered(site, webhook["id"])
    await browser.sign_in(await key_of(site, "read", "write"))
    await browser.get(f"/deliveries/{identity}")
    assert f'hx-sse:connect="/dashboard/deliveries/{identity}/live"' in browser.page
    async with stream(browser, f"/deliveries/{identity}/live") as content:
        assert ">pending<" in await message(content)
        await site.call("POST", f"/api/v1/deliveries/{identity}/cancel")
        assert ">cancelled<" in await message(content)
        assert "event: over" in await message(content)
    await browser.get(f"/deliveries/{identity}")
    assert "hx-sse:connect" not in browser.page


async def test_a_revoked_key_ends_what_its_session_follows(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    key, secret = await site.keys.create(TENANT, frozenset({"read"}))
    await browser.sign_in(secret)
    async with stream(browser, f"/webhooks/{webhook['id']}/live") as content:
        await message(content)
        await site.call("DELETE", f"/api/v1/api-keys/{key['id']}")
        assert "event: over" in await message(content)


async def test_one_key_does_not_take_all_the_streams_there_are(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    await browser.sign_in(await key_of(site, "read"))
    path = f"/webhooks/{webhook['id']}/live"
    async with AsyncExitStack() as stack:
        for _ in range(20):
            await message(await stack.enter_async_context(stream(browser, path)))
        await browser.get(path)
        assert browser.status == 503
        assert "reload this one instead" in browser.page
        await browser.sign_in(await key_of(site, "read"))
        await message(await stack.enter_async_context(stream(browser, path)))


async def test_an_api_that_stops_ends_its_streams_and_says_nothing_is_over(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    await browser.sign_in(await key_of(site, "read"))
    async with stream(browser, f"/webhooks/{webhook['id']}/live") as content:
        await message(content)
        await site.client.app.shutdown()
        async with asyncio.timeout(10):
            assert b"over" not in await content.read()  # pages come back, to another copy


async def test_a_window_is_counted_before_it_is_sent_again_and_the_job_can_be_cancelled(
    site: Site, browser: Browser
) -> None:
    webhook = await site.create()
    for number in range(3):
        await delivered(site, webhook["id"], f"e{number}")
    await site.mongo.db.deliveries.update_many({}, {"$set": {"status": Status.DEAD}})
    await browser.sign_in(await key_of(site, "read", "write"))
    address = f"/webhooks/{webhook['id']}/replay"
    await browser.get(address)
    assert 'value="start"' not in browser.page
    await browser.post(address, which="failed", do="count", **_WINDOW)
    assert "<strong>3</strong> deliveries in this window" in browser.page
    assert "Send 3 again" in browser.page
    assert await site.mongo.db.jobs.count_documents({}) == 0
    await browser.post(address, which="failed", do="start", **_WINDOW)
    assert browser.path.startswith("/dashboard/replays/replay_")
    assert "0 of 3 deliveries" in browser.page
    await browser.post(browser.path.removeprefix("/dashboard") + "/cancel")
    assert ">cancelled<" in browser.page
    await browser.get(address)
    assert "0 of 3" in browser.page


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("since", "", "This is needed"),
        ("since", "2025-13-45T10:00", "Input should be a valid datetime"),
        ("until", "2024-01-15T10:00", "Until lies before since"),
        ("per_second", "fast", "Input should be a valid integer"),
        ("per_second", "100000", "less than or equal to 1000"),
        ("event_type", "session.imagined", "session.completed"),
    ],
)
async def test_a_window_that_cannot_be_is_explained_and_stays_as_it_was_typed(
    site: Site, browser: Browser, field: str, value: str, words: str
) -> None:
    webhook = await site.create()
    await browser.sign_in(await key_of(site, "read", "write"))
    address = f"/webhooks/{webhook['id']}/replay"
    await browser.get(address)
    await browser.post(address, which="failed", do="start", **{**_WINDOW, field: value})
    assert browser.status == 422
    assert words in browser.page
    assert not value or f'value="{value}"' in browser.page


async def test_of_an_inactive_webhook_nothing_is_sent_again_until_it_is_enabled(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    await delivered(site, webhook["id"])
    await browser.sign_in(await key_of(site, "read", "write"))
    address = f"/webhooks/{webhook['id']}"
    await browser.get(address)
    await browser.post(address + "/switch", to="disable")
    await browser.post(address + "/replay", which="failed", do="start", **_WINDOW)
    assert browser.status == 422
    assert "enable it first" in browser.page
    await site.mongo.db.deliveries.update_many({}, {"$set": {"status": Status.DEAD}})
    await browser.post(address + "/switch", to="enable")
    assert browser.path == f"/dashboard{address}/replay"
    assert "It missed 1 deliveries" in browser.page
    assert re.search(r'name="since" type="datetime-local" value="20\d\d-[^"]+"', browser.page)


async def test_what_waits_is_counted_and_cancelled(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    for number in range(3):
        await delivered(site, webhook["id"], f"e{number}")
    await browser.sign_in(await key_of(site, "read", "write"))
    address = f"/webhooks/{webhook['id']}"
    await browser.get(address + "/cancel")
    assert "3 deliveries that have not ended" in browser.page
    await browser.post(address + "/cancel")
    assert "Cancelled 3 deliveries" in browser.page
    assert await site.mongo.db.deliveries.count_documents({"status": Status.CANCELLED}) == 3


async def test_only_what_the_table_shows_is_cancelled(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    for number in range(3):
        await delivered(site, webhook["id"], f"e{number}")
    answered = {"status": Status.WAITING, "answered": 503}
    await site.mongo.db.deliveries.update_one({"event_id": "e1"}, {"$set": answered})
    await browser.sign_in(await key_of(site, "read", "write"))
    address = f"/webhooks/{webhook['id']}"
    await browser.get(address + "?response_status=5xx&event_type=session.created&status=dead")
    narrowed = "/cancel?status=&amp;event_type=session.created&amp;response_status=5xx"
    assert narrowed in browser.page, "what is dead cannot be cancelled"
    await browser.get(address + "/cancel?status=waiting&response_status=5xx")
    assert "1 deliveries that have not ended and are" in browser.page
    await browser.post(address + "/cancel", status="waiting", response_status="5xx")
    assert "Cancelled 1 deliveries" in browser.page
    (cancelled,) = await site.mongo.db.deliveries.find({"status": Status.CANCELLED}).to_list(None)
    assert cancelled["event_id"] == "e1"
    await browser.get(address + "/cancel?response_status=often")
    assert browser.status == 400
    assert "response_status" in browser.page


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("url", URL, ""),
        ("url", "ftp://your-app.com", "http"),
        ("url", "https://10.0.0.1/x", "not a public address"),
        ("secret", "short", "16"),
        ("rate_limit", "x", "A number is needed"),
        ("filter", '{"field": 1}', "field"),
    ],
)
async def test_a_field_is_checked_while_it_is_typed(
    site: Site, browser: Browser, field: str, value: str, words: str
) -> None:
    await browser.sign_in(await key_of(site, "read", "write"))
    await browser.get("/webhooks/new")
    fields = {"url": "", "event_types": "*", field: value}
    await browser.post(f"/webhooks/check?field={field}", **fields)
    assert browser.status == 200
    assert browser.page.startswith(f'<small id="{field}-problem"')
    assert words in browser.page
    assert bool(words) != bool(re.search(r"></small>", browser.page))


async def test_a_field_that_no_form_has_is_not_checked(site: Site, browser: Browser) -> None:
    await browser.sign_in(await key_of(site, "read", "write"))
    await browser.get("/webhooks/new")
    await browser.post("/webhooks/check?field=owner", url=URL)
    assert browser.status == 400
