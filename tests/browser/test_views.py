"""Every page in every look, when endpoints are in trouble: it says what is wrong, and nothing in it is."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from deploy.local.servers import Server
from tests.browser.conftest import LOOKS, Tab
from tests.browser.driving import EVERY_LOOK, Filled, barriers
from tests.browser.troubles import SETTINGS, authority_file, troubled
from tests.browser.views import VIEWS
from tests.cluster import cluster

NAMES = ("ingest", "fanout", "delivery", "scheduler", "api")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Filled]:
    folder: Path = tmp_path_factory.mktemp("troubles")
    settings = {**SETTINGS, "EGRESS_CA_FILE": authority_file(folder)}
    async with (
        cluster(folder, rabbitmq.url, mongodb.url, *NAMES, **settings) as services,
        troubled(services, folder) as ids,
    ):
        yield Filled(services, await services.key("admin"), ids)


@pytest.mark.parametrize("look", EVERY_LOOK)
async def test_every_page_tells_the_trouble_in_words_and_has_no_barrier(
    site: Filled, chromium: Browser, look: str
) -> None:
    await site.drive(chromium, look, VIEWS, sees=True)


@pytest.mark.parametrize("look", LOOKS)
async def test_what_answers_a_form_or_a_wrong_address_has_no_barrier(
    site: Filled, chromium: Browser, look: str
) -> None:
    async with site.visit(chromium, "anybody", look) as visitor:
        await visitor.sign_in("scorm_unknown")
        await without_barrier(visitor, "not known or was revoked", status=401)
    async with site.visit(chromium, "tenant", look) as visitor:
        page, create = visitor.page, visitor.page.get_by_role("button", name="Create", exact=True)
        await visitor.open("/webhooks/nothing")
        await without_barrier(visitor, "no webhook", status=404)
        await visitor.open("/webhooks/new")
        await create.click()
        await without_barrier(visitor, "Choose at least one.", status=422)
        await page.get_by_label("Webhook URL").fill(f"https://your-app.com/{look}")
        await page.get_by_label("session.completed").check()
        await create.click()
        await without_barrier(visitor, "The secret is shown only now.")
        await page.get_by_role("button", name="Rotate the secret").click()
        await without_barrier(visitor, "Complete the rotation")


async def without_barrier(visitor: Tab, words: str, status: int = 200) -> None:
    """Of a refused form's status the browser tells on its console."""
    await expect(visitor.page.locator("main")).to_contain_text(words)
    assert not [problem async for problem in barriers(visitor, scripts=True)]
    if status != 200:
        assert f"status of {status} " in visitor.complaints.pop()


async def test_without_scripts_a_webhook_is_created_found_paused_and_deleted(site: Filled, chromium: Browser) -> None:
    url = "https://your-app.com/api/webhooks/scorm"
    async with site.visit(chromium, "tenant", "without scripts") as visitor:
        page = visitor.page
        await visitor.open("/webhooks")
        await page.get_by_role("button", name="Create Webhook").click()
        await page.get_by_label("Webhook URL").fill(url)
        await page.get_by_label("session.completed").check()
        await page.get_by_role("button", name="Create", exact=True).click()
        await expect(page.get_by_label("Secret")).to_have_value(re.compile("^whsec_"))
        await page.get_by_role("button", name="Pause").click()
        await expect(page.get_by_role("status")).to_contain_text("Paused")
        await visitor.open("/webhooks")
        await expect(page.get_by_role("row").filter(has_text=url)).to_contain_text("paused")
        await page.get_by_role("link", name=url).click()
        await page.get_by_role("button", name="Delete…").click()
        await page.get_by_role("button", name="Delete", exact=True).click()
        await expect(page.get_by_role("status")).to_contain_text("Deleted")


async def test_without_scripts_the_deliveries_are_filtered(site: Filled, chromium: Browser) -> None:
    async with site.visit(chromium, "tenant", "without scripts") as visitor:
        page = visitor.page
        await visitor.open("/deliveries")
        await page.get_by_label("Status").select_option("dead")
        await page.get_by_role("button", name="Filter").click()
        rows = page.locator("tbody tr")
        await expect(rows.filter(has_text="410 Gone")).to_have_count(1)
        await expect(rows.filter(has_not_text="dead")).to_have_count(0)
        await page.get_by_label("Answer").fill("404")
        await page.get_by_role("button", name="Filter").click()
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("the endpoint answered 404")
