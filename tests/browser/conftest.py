"""A real browser: chromium from PATH. Where there is none, these tests are skipped; CI installs it and insists."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 800}},
}


@dataclass
class Tab:
    """A page of one visitor, and all that it complained of."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        await self.page.goto(self.base + path)

    async def sign_in(self, key: str) -> None:
        await self.open("/sign-in")
        await self.page.get_by_label("API key").fill(key)
        await self.page.get_by_role("button", name="Sign in").click()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        words = "no chromium on PATH (Debian: apt-get install chromium)"
        if os.environ.get("BROWSER_NEEDED"):
            pytest.fail(words)
        pytest.skip(words)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def tab(chromium: Browser, base: str, **look: Any) -> AsyncIterator[Tab]:
    """Whatever the browser reports, and whatever is fetched from elsewhere, fails the test."""
    context = await chromium.new_context(**(look or LOOKS["light"]))
    opened = Tab(await context.new_page(), base)
    opened.page.on("console", lambda said: opened.complaints.append(f"{said.type}: {said.text}"))
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.page.on("request", lambda asked: _check_origin(opened, asked.url))
    opened.page.set_default_timeout(15_000)
    try:
        yield opened
        assert not opened.complaints
    finally:
        await context.close()


def _check_origin(opened: Tab, url: str) -> None:
    origin = opened.base.removesuffix("/dashboard")
    if not url.startswith((origin + "/", "data:")):
        opened.complaints.append(f"fetched from elsewhere: {url}")
