"""The dashboard in a real browser, on a whole installation: the guide's steps, trouble found and mended."""

import hmac
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, expect

from deploy.local.servers import Server
from shared.contracts.event_types import EVENT_TYPES
from tests.browser.conftest import Tab, tab
from tests.cluster import TENANT, Cluster, cluster, receiver, until

SECRET = "a secret of the customer's own"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("dashboard")
    names = ("ingest", "fanout", "delivery", "scheduler", "api")
    async with cluster(folder, rabbitmq.url, mongodb.url, *names, RETRY_BASE_SECONDS="30") as started:
        yield started


async def publish(services: Cluster, event_type: str) -> None:
    event = {"event": event_type, "tenant_id": TENANT, "data": EVENT_TYPES[event_type].example}
    async with services.http.post(services.ingest + "/api/v1/events", json=event) as response:
        assert response.status == 202


async def test_the_guide_s_seven_steps_make_a_webhook_that_receives_a_signed_event(
    services: Cluster, chromium: Browser
) -> None:
    key = await services.key("read", "write")
    async with receiver() as endpoint, tab(chromium, services.api + "/dashboard") as visitor:
        page = visitor.page
        await visitor.sign_in(key)
        await page.get_by_role("link", name="Webhooks", exact=True).click()
        await page.get_by_role("button", name="Create Webhook").click()
        await page.get_by_label("Webhook URL").fill("ftp://your-app.com")
        await expect(page.get_by_text("An absolute URL is needed")).to_be_visible()  # while it is typed
        await page.get_by_label("Webhook URL").fill(endpoint.url)
        await expect(page.get_by_text("An absolute URL is needed")).to_be_hidden()
        await page.get_by_label("session.completed").check()
        await page.get_by_label("Secret (optional)").fill(SECRET)
        await page.get_by_role("button", name="Create", exact=True).click()
        await expect(page.get_by_role("status")).to_contain_text("Created")
        await publish(services, "session.completed")
        await until(lambda: len(endpoint.requests) == 1, 20, services.logs)
        (received,) = endpoint.requests
        expected = hmac.digest(SECRET.encode(), received.body, "sha256").hex()
        assert received.headers["X-Allure-Signature"] == expected

        # Without a reload: the table follows what happens, and so does the page of a sample.
        await expect(page.get_by_role("row").get_by_text("succeeded")).to_be_visible()
        await page.get_by_role("button", name="Send a sample event").click()
        await expect(page.get_by_text("succeeded", exact=True)).to_be_visible()
        assert len(endpoint.requests) == 2
        await page.get_by_role("link", name=endpoint.url).click()
        await delete(visitor)


async def delete(visitor: Tab) -> None:
    await visitor.page.get_by_role("button", name="Delete…").click()
    await visitor.page.get_by_role("button", name="Delete", exact=True).click()
    await expect(visitor.page.get_by_role("status")).to_contain_text("Deleted")


async def test_trouble_is_found_understood_mended_and_sent_again(services: Cluster, chromium: Browser) -> None:
    broken = {"now": True}
    key = await services.key("read", "write")
    async with (
        receiver(lambda _request, _received: 404 if broken["now"] else 200) as endpoint,
        tab(chromium, services.api + "/dashboard", java_script_enabled=False) as visitor,
    ):
        webhook = await services.create_webhook(endpoint.url, "session.created")
        await publish(services, "session.created")

        async def told() -> bool:
            async with services.http.get(f"{services.api}/api/v1/webhooks/{webhook['id']}") as response:
                return bool((await response.json())["health"]["failures"])

        await until(told, 20, services.logs)
        page = visitor.page
        await visitor.sign_in(key)
        await page.get_by_role("link", name="Webhooks", exact=True).click()
        await expect(page.get_by_text("troubled")).to_be_visible()
        await page.get_by_role("link", name=endpoint.url).click()
        await page.get_by_role("link", name=re.compile("^delivery_")).click()
        await expect(page.get_by_text("the endpoint answered 404 Not Found")).to_be_visible()
        await expect(page.get_by_text("Check the path in the webhook's URL")).to_be_visible()
        broken["now"] = False
        await page.get_by_role("button", name="Attempt now").click()
        await until(lambda: len(endpoint.requests) == 2, 20, services.logs)

        async def shown() -> bool:
            await page.reload()
            return await page.get_by_text("succeeded", exact=True).count() > 0

        await until(shown, 10, services.logs)
        await page.get_by_role("link", name=endpoint.url).click()
        await delete(visitor)


async def test_what_failed_for_good_is_sent_again_from_the_page(services: Cluster, chromium: Browser) -> None:
    broken = {"now": True}
    key = await services.key("read", "write")
    async with (
        receiver(lambda _request, _received: 500 if broken["now"] else 200) as endpoint,
        tab(chromium, services.api + "/dashboard") as visitor,
    ):
        webhook = await services.create_webhook(endpoint.url, "session.created", max_attempts=1)
        page = visitor.page
        await visitor.sign_in(key)
        await visitor.open(f"/webhooks/{webhook['id']}")
        await publish(services, "session.created")
        await expect(page.get_by_role("row").get_by_text("dead")).to_be_visible()
        broken["now"] = False
        await page.get_by_role("button", name="Send again…").click()
        await page.get_by_label("Made since (UTC)").fill("2025-01-15T10:00")
        await page.get_by_role("button", name="Count").click()
        await expect(page.get_by_role("status")).to_contain_text("1 delivery in this window")
        await page.get_by_role("button", name="Send 1 again").click()
        await expect(page.get_by_text("1 of 1 deliveries")).to_be_visible()
        await expect(page.get_by_text("done", exact=True)).to_be_visible()
        await page.get_by_role("link", name="To the webhook").click()
        await expect(page.get_by_role("row").get_by_text("succeeded")).to_be_visible()
        assert [request.headers.get("X-Allure-Round") for request in endpoint.requests] == [None, "2"]
        await delete(visitor)
