"""What operators do in a real browser with what went wrong, and what everybody sees of events: without a barrier."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from deploy.local.servers import Server
from shared.store.mongo import Mongo
from tests.browser.conftest import LOOKS, Tab, tab
from tests.browser.driving import without_barrier
from tests.browser.test_dashboard import publish
from tests.cluster import ADMIN_KEY, TENANT, Cluster, cluster, receiver, until
from tests.integration.test_cli_dead_letters import Desk as DeadLetterDesk
from tests.integration.test_cli_parked import EVENT, Desk, sitting

SCRIPT = b"<script>document.title = 'run'</script>"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("operator")
    async with cluster(folder, rabbitmq.url, mongodb.url, "ingest", "fanout", "delivery", "api") as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def parked(rabbitmq: Server) -> AsyncIterator[Desk]:
    async with sitting(rabbitmq.url) as desk:
        yield desk


@pytest_asyncio.fixture(loop_scope="session")
async def dead(services: Cluster) -> AsyncIterator[DeadLetterDesk]:
    mongo = Mongo(url=services.mongodb_url, database=services.settings["MONGODB_DATABASE"], timeout_seconds=10)
    yield DeadLetterDesk("", mongo)
    await mongo.stop(0)


@pytest.mark.parametrize("look", LOOKS)
async def test_no_page_has_a_barrier(
    services: Cluster, chromium: Browser, parked: Desk, dead: DeadLetterDesk, look: str
) -> None:
    """By axe, whose rules are WCAG's; nothing is wider than a phone; and no stored script runs."""
    async with receiver() as endpoint, tab(chromium, services.api + "/dashboard", **LOOKS[look]) as visitor:
        await services.create_webhook(endpoint.url, "session.completed")
        await services.create_webhook(endpoint.url + "/other", "package.processing.completed")
        await publish(services, "session.completed")
        await until(lambda: len(endpoint.requests) == 1, 20, services.logs)
        await dead.delivery(f"of{look}", webhook="gone")
        await parked.park(EVENT + SCRIPT, SCRIPT.decode(), odd=SCRIPT.decode())
        await parked.park(bytes(range(256)))
        await visitor.sign_in(ADMIN_KEY)
        for path in ("/dead-letters", "/dead-letters/retry", "/dead-letters/discard?since=1h", "/events"):
            await visitor.open(path)
            await without_barrier(visitor, path)
        await visitor.open("/parked")
        await without_barrier(visitor, "/parked")
        messages = await visitor.page.locator("a[href*='message?id']").all()
        for address in [await one.get_attribute("href") for one in messages[-2:]]:
            await visitor.open((address or "").removeprefix("/dashboard"))
            await without_barrier(visitor, "/parked/message")
            assert await visitor.page.title() != "run"
        await visitor.open("/parked/discard")
        await without_barrier(visitor, "/parked/discard")
        await pick_tenant(visitor)
        await visitor.open("/events")
        await without_barrier(visitor, "/events")
        await visitor.page.get_by_role("link", name="event_").first.click()
        await without_barrier(visitor, "/events/{event_id}")
        await expect(visitor.page.get_by_text("succeeded")).to_be_visible()


async def pick_tenant(visitor: Tab) -> None:
    await visitor.page.get_by_label("Tenant").first.fill(TENANT)
    await visitor.page.get_by_role("button", name="Show").first.click()


async def test_an_operator_clears_up_without_scripts(
    services: Cluster, chromium: Browser, parked: Desk, dead: DeadLetterDesk
) -> None:
    await services.clear_broker()
    await dead.mongo.db.deliveries.delete_many({"status": "dead"})
    await dead.webhook("live")
    for name in ("kept", "sent", "given"):
        await dead.delivery(name, event="session.created")
    for n in range(3):
        await parked.park(b"%d" % n, "nobody can read this")
    await parked.park(EVENT, "something else")
    async with tab(chromium, services.api + "/dashboard", java_script_enabled=False) as visitor:
        page = visitor.page
        await visitor.sign_in(ADMIN_KEY)
        await page.get_by_role("link", name="Dead letters").click()
        await row(page, "delivery_sent").get_by_role("button", name="Retry").click()
        await expect(page.get_by_role("status")).to_contain_text("Sent again: 1.")
        await row(page, "delivery_given").get_by_role("button", name="Discard").click()
        await expect(page.get_by_role("status")).to_contain_text("Discarded: 1.")
        assert {name: (await dead.get(name))["status"] for name in ("kept", "given")} == {
            "kept": "dead",
            "given": "cancelled",
        }
        await page.get_by_role("link", name="Parked").click()
        await expect(page.get_by_text("4 are parked")).to_be_visible()
        await page.get_by_label("Reason contains").fill("nobody can read")
        await page.get_by_role("button", name="Show").last.click()
        await page.get_by_role("button", name="Discard all of them…").click()
        await page.get_by_role("button", name="Discard 3").click()
        await expect(page.get_by_role("status")).to_contain_text("Before: 4. Discarded: 3. Left: 1.")
    assert await parked.depth() == 1


def row(page: Page, delivery_id: str) -> Any:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=delivery_id))
