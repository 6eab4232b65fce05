"""Charts in a real browser: drawn from their table, read by pointing at them, and in every look without a barrier."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from deploy.local.servers import Server
from tests.browser.conftest import LOOKS, Tab, tab
from tests.browser.driving import barriers
from tests.cluster import ADMIN_KEY, TENANT, until
from tests.integration.test_api import Site, opened_site
from tests.integration.test_dashboard_figures import happened, hour, ill

SUCCEEDED, DEAD = 1234, 56


@dataclass
class Watched:
    base: str
    webhook_id: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(mongodb: Server) -> AsyncIterator[Watched]:
    """A webhook with a troubled past."""
    async with opened_site(mongodb.url) as site:
        webhook = await site.create(url="https://lms.example.com/" + "long/" * 20, description="of nightly imports")
        await past(site, webhook["id"])
        yield Watched(str(site.client.make_url("/dashboard")), webhook["id"])


async def past(site: Site, webhook_id: str) -> None:
    for ago in (1, 2, 3, 7, 30, 300):
        counts = {"succeeded": SUCCEEDED, "dead": DEAD, "waiting": 7}
        await happened(site, hour(site, ago) + timedelta(minutes=ago % 60), {webhook_id: counts}, took=20 * ago)
    await ill(site, webhook_id, TENANT)


async def opened(visitor: Tab, path: str) -> None:
    await visitor.sign_in(ADMIN_KEY)
    await visitor.open(path)


@pytest.mark.parametrize("look", LOOKS)
async def test_charts_have_no_barrier_and_fit(watched: Watched, chromium: Browser, look: str) -> None:
    async with tab(chromium, watched.base, **LOOKS[look]) as visitor:
        await opened(visitor, "/overview")
        one = f"/webhooks/{watched.webhook_id}"
        for path in ("/overview", one, one + "?period=7d", "/webhooks"):
            await visitor.open(path)
            await expect(visitor.page.locator("canvas")).to_have_count(0 if path == "/webhooks" else 2)
            assert not [problem async for problem in barriers(visitor, scripts=True)], path


async def test_pointing_at_an_hour_reads_its_figures(watched: Watched, chromium: Browser) -> None:
    async with tab(chromium, watched.base) as visitor:
        await opened(visitor, f"/webhooks/{watched.webhook_id}")
        chart = visitor.page.get_by_role("img", name="deliveries made in each hour")
        box = await chart.bounding_box()
        assert box
        read = visitor.page.locator(".readout")
        for share in range(100):  # from the right, where the hour under way is, to the first that has figures
            await visitor.page.mouse.move(box["x"] + box["width"] * (1 - share / 100), box["y"] + box["height"] / 2)
            if "1,234" in (await read.first.text_content() or ""):
                break
        await expect(read.first).to_contain_text("Succeeded 1,234, Dead 56, Under way 7")
        await expect(read.last).to_contain_text("p50 ")
        await expect(read.last).to_contain_text(" ms")


async def test_charts_take_the_colours_of_the_look_when_it_changes(watched: Watched, chromium: Browser) -> None:
    async with tab(chromium, watched.base, **LOOKS["light"]) as visitor:
        await opened(visitor, "/overview")
        canvas = visitor.page.locator("canvas").first

        async def drawn() -> str:
            picture: str = await canvas.evaluate("canvas => canvas.toDataURL()")
            return picture

        async def darker() -> bool:
            return await drawn() != light

        async def narrower() -> bool:
            return bool(await canvas.evaluate("canvas => canvas.clientWidth < 390"))

        light = await drawn()
        await visitor.page.emulate_media(color_scheme="dark")
        await until(darker, 10)
        await visitor.page.set_viewport_size({"width": 390, "height": 800})
        await until(narrower, 10)
        await expect(visitor.page.locator("canvas")).to_have_count(2)


async def test_without_scripts_the_table_is_what_one_reads(watched: Watched, chromium: Browser) -> None:
    async with tab(chromium, watched.base, java_script_enabled=False) as visitor:
        await opened(visitor, f"/webhooks/{watched.webhook_id}")
        await expect(visitor.page.locator(".charts")).to_be_hidden()
        await visitor.page.get_by_text("These figures as a table").click()
        await expect(visitor.page.get_by_role("cell", name="1,234").first).to_be_visible()
        await visitor.page.get_by_role("link", name="7 days").click()
        await visitor.page.get_by_text("These figures as a table").click()
        await expect(visitor.page.locator("#figures tbody tr")).to_have_count(7 * 24)
