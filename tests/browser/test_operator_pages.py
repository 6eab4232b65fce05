"""What operators do in a real browser with what went wrong."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from deploy.local.servers import Server
from shared.store.mongo import Mongo
from tests.browser.conftest import LOOKS, tab
from tests.browser.test_views import without_barrier
from tests.cluster import ADMIN_KEY, Cluster, cluster
from tests.integration.test_cli_dead_letters import Desk as DeadLetterDesk
from tests.integration.test_cli_parked import EVENT, Desk, sitting

SCRIPT = b"<script>document.title = 'run'</script>"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("operator")
    async with cluster(folder, rabbitmq.url, mongodb.url, "api") as started:
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
async def test_a_parked_message_of_any_kind_is_shown_and_no_stored_script_runs(
    services: Cluster, chromium: Browser, parked: Desk, look: str
) -> None:
    await services.clear_broker()
    await parked.park(EVENT + SCRIPT, SCRIPT.decode(), odd=SCRIPT.decode())
    await parked.park(bytes(range(256)))
    async with tab(chromium, services.api + "/dashboard", **LOOKS[look]) as visitor:
        await visitor.sign_in(ADMIN_KEY)
        await visitor.open("/parked")
        await without_barrier(visitor, "2 are parked")
        messages = await visitor.page.locator("a[href*='message?id']").all()
        for address in [await one.get_attribute("href") or "" for one in messages]:
            await visitor.open(address.removeprefix("/dashboard"))
            await without_barrier(visitor, "")
            assert await visitor.page.title() != "run"


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
