"""One visitor's way through the views, and what is asked of each page."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from tests.browser.conftest import LOOKS, Tab, tab
from tests.browser.views import View, Who
from tests.cluster import ADMIN_KEY, Cluster

WITHOUT_SCRIPTS = {**LOOKS["phone"], "java_script_enabled": False}
EVERY_LOOK: Mapping[str, dict[str, Any]] = {**LOOKS, "without scripts": WITHOUT_SCRIPTS}
_UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
_WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass(frozen=True)
class Filled:
    """A site, a tenant's key that may do all there, and ids of what there is to see, by name."""

    services: Cluster
    key: str
    ids: Mapping[str, Mapping[str, str]]

    @asynccontextmanager
    async def visit(self, chromium: Browser, by: Who, look: str) -> AsyncIterator[Tab]:
        async with tab(chromium, self.services.api + "/dashboard", **EVERY_LOOK[look]) as visitor:
            if by != "anybody":
                await visitor.sign_in(ADMIN_KEY if by == "operator" else self.key)
                await expect(visitor.page.get_by_role("button", name="Sign out")).to_be_visible()
            yield visitor

    async def drive(self, chromium: Browser, look: str, views: Iterable[View], *, sees: bool) -> None:
        """Every view, by whom it is for; all that is wrong is told together. `sees`: its words are asked for too."""
        views = list(views)
        wrong: list[str] = []
        for by in sorted({view.by for view in views}):
            async with self.visit(chromium, by, look) as visitor:
                for view in views:
                    if view.by == by:
                        wrong += [problem async for problem in self._problems(visitor, view, look, sees)]
                visitor.complaints.clear()  # told
        assert not wrong, "\n".join(wrong)

    async def _problems(self, visitor: Tab, view: View, look: str, sees: bool) -> AsyncIterator[str]:
        address = view.address(self.ids.get(view.of, {}))
        where = f"{look}: {address} ({view.of or view.by})"
        answer = await visitor.page.goto(visitor.base + address)
        if not answer or answer.status != 200:
            yield f"{where}: {await visitor.page.inner_text('main')}"
        text = await visitor.page.inner_text("main")
        for words in view.sees if sees else ():
            if words not in text:
                yield f"{where}: “{words}” is not in\n{text}"
        async for problem in barriers(visitor, scripts=EVERY_LOOK[look].get("java_script_enabled", True)):
            yield f"{where}: {problem}"
        for complaint in visitor.complaints:
            yield f"{where}: {complaint}"
        visitor.complaints.clear()


async def barriers(visitor: Tab, *, scripts: bool) -> AsyncIterator[str]:
    """With all that is folded unfolded: what is wider than the window, and what axe finds, whose rules are WCAG's."""
    await visitor.page.evaluate(_UNFOLD)
    if (wider := await visitor.page.evaluate(_WIDER)) > 0:
        yield f"{wider} px wider than its window"
    if scripts:  # axe is one
        found = await Axe().run(visitor.page)
        if found.violations_count:
            yield found.generate_report()
