"""What the dashboard's answers are, whatever the page: packed for who takes it, and of their own each time."""

import gzip
import re

from tests.cluster import TENANT
from tests.integration.test_api import Site
from tests.integration.test_dashboard import Browser, browser, key_of, site

__all__ = ["browser", "site"]  # fixtures


async def test_pages_are_packed_for_those_who_take_it(site: Site, browser: Browser) -> None:
    await browser.sign_in(await key_of(site, "read", "write", tenant=TENANT))
    url = site.client.make_url("/dashboard/webhooks/new")
    sizes = {}
    for takes, encoding in (("gzip, deflate, br", "gzip"), ("identity", None)):
        async with browser.http.get(url, headers={"Accept-Encoding": takes}, auto_decompress=False) as response:
            body = await response.read()
            assert response.headers.get("Content-Encoding") == encoding
            assert response.headers["Vary"] == "Accept-Encoding"
            assert b"Create Webhook" in (gzip.decompress(body) if encoding else body)
            sizes[encoding] = len(body)
    assert sizes["gzip"] < sizes[None] / 2


async def test_each_page_holds_a_token_of_its_own_and_older_pages_still_work(site: Site, browser: Browser) -> None:
    await browser.sign_in(await key_of(site, "read", "write"))
    older = await browser.get("/webhooks/new")
    newer = await browser.get("/webhooks/new")
    tokens = [set(re.findall(r'name="csrf" value="([^"]+)"', page)) for page in (older, newer)]
    assert [len(found) for found in tokens] == [1, 1]
    assert tokens[0] != tokens[1]
    browser.page = older
    await browser.post("/webhooks", url="https://your-app.com/hooks", event_types="*")
    assert "Created" in browser.page
