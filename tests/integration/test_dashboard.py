"""The dashboard in this process, on a real database: what it shows, what it refuses, and who may do what."""

import html
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, CookieJar

from deploy.local.servers import Server
from services.api.dashboard.session import COOKIE
from tests.cluster import ADMIN_KEY, TENANT
from tests.integration.test_api import Site, delivered, opened_site

URL = "https://your-app.com/api/webhooks/scorm"
OTHER = "another-tenant"
SCRIPT = "<script>alert(1)</script>"
OURS = r'(?! src="/dashboard/static/)'
FOREIGN = re.compile(
    rf'<script{OURS}|<style|\sstyle=|\son\w+=|javascript:|(src|href|action)="(https?:)?//', re.IGNORECASE
)


@dataclass
class Browser:
    """Keeps cookies, follows redirects, and sends a form with the token that the page before held."""

    site: Site
    http: ClientSession
    page: str = ""
    status: int = 0
    path: str = ""

    async def get(self, path: str) -> str:
        return await self._ask("GET", path, None)

    async def post(self, path: str, **fields: Any) -> str:
        token = re.search(r'name="csrf" value="([^"]+)"', self.page)
        return await self._ask("POST", path, {"csrf": token[1] if token else "", **fields})

    async def sign_in(self, key: str) -> None:
        await self.get("/sign-in")
        await self.post("/sign-in", key=key, next="/dashboard/webhooks")
        assert self.path == "/dashboard/webhooks", self.page

    async def _ask(self, method: str, path: str, form: dict[str, Any] | None) -> str:
        url = self.site.client.make_url("/dashboard" + path)
        async with self.http.request(method, url, data=form) as response:
            self.page, self.status, self.path = await response.text(), response.status, response.url.path
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert "unsafe" not in response.headers["Content-Security-Policy"]
            assert not FOREIGN.search(self.page)
        return self.page


@pytest_asyncio.fixture(loop_scope="session")
async def site(mongodb: Server) -> AsyncIterator[Site]:
    async with opened_site(mongodb.url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def browser(site: Site) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        yield Browser(site, http)


async def key_of(site: Site, *scopes: str, tenant: str = TENANT) -> str:
    _, secret = await site.keys.create(tenant, frozenset(scopes))
    return secret


async def test_the_guide_s_steps_make_a_webhook_whose_secret_is_shown_once(site: Site, browser: Browser) -> None:
    await browser.sign_in(await key_of(site, "read", "write"))
    assert "There is no webhook yet" in browser.page
    await browser.get("/webhooks/new")
    await browser.post("/webhooks", url=URL, event_types="session.completed")
    assert browser.status == 200
    assert URL in browser.page
    assert re.search(r'value="whsec_[^"]+"', browser.page)
    assert "hmac.compare_digest" in browser.page
    await browser.get(browser.path.removeprefix("/dashboard"))
    assert "whsec_" not in browser.page
    (stored,) = (await site.call("GET", "/api/v1/webhooks?tenant_id=" + TENANT))[1]["webhooks"]
    assert (stored["url"], stored["event_types"]) == (URL, ["session.completed"])


async def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(site: Site, browser: Browser) -> None:
    await browser.sign_in(await key_of(site, "read", "write"))
    await browser.get("/webhooks/new")
    wrong = {"url": "https://10.0.0.1/x", "event_types": "session.*"}
    wrong |= {"secret": "short", "filter": "{", "rate_limit": "?"}
    await browser.post("/webhooks", **wrong)
    assert browser.status == 422
    for name in ("secret", "filter", "rate_limit"):
        assert f'id="{name}-problem"' in browser.page
        assert f'value="{wrong[name]}"' in browser.page or name == "filter"
    await browser.post("/webhooks", url=wrong["url"], event_types="session.*")
    assert "is not a public address" in browser.page
    assert (await site.call("GET", "/api/v1/webhooks"))[1]["webhooks"] == []


async def test_an_edit_clears_what_was_emptied_keeps_headers_and_overwrites_nobody_s_change(
    site: Site, browser: Browser
) -> None:
    webhook = await site.create(description="old", headers={"X-Mine": "hidden-value"}, rate_limit=2.5)
    await browser.sign_in(await key_of(site, "read", "write"))
    address = f"/webhooks/{webhook['id']}"
    await browser.get(address + "/edit")
    assert "hidden-value" not in browser.page
    assert 'value="2.5"' in browser.page
    changed = {"url": URL, "event_types": ["session.*", "package.*"], "version": "1"}
    await browser.post(address, **{**changed, "event_types": "session.*"})
    assert "Saved" in browser.page
    stored = (await site.call("GET", f"/api/v1/webhooks/{webhook['id']}"))[1]
    assert (stored["description"], stored["rate_limit"], stored["header_names"]) == (None, None, ["X-Mine"])
    await browser.get(address + "/edit")
    await browser.post(address, url=URL + "/second", event_types="session.*", version="1")
    assert browser.status == 422
    assert (await site.call("GET", f"/api/v1/webhooks/{webhook['id']}"))[1]["url"] == URL


async def test_buttons_pause_resume_disable_enable_rotate_test_and_delete(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    await browser.sign_in(await key_of(site, "read", "write"))
    address = f"/webhooks/{webhook['id']}"

    async def stored() -> dict[str, Any]:
        found: dict[str, Any] = (await site.call("GET", f"/api/v1/webhooks/{webhook['id']}"))[1]
        return found

    await browser.get(address)
    for to, name, value in (("pause", "paused", True), ("resume", "paused", False), ("disable", "is_active", False)):
        await browser.post(address + "/switch", to=to)
        assert (await stored())[name] is value
    assert ">inactive<" in browser.page
    await browser.post(address + "/switch", to="enable")
    assert (await stored())["is_active"] is True
    await browser.post(address + "/switch", to="elsewhere")
    assert browser.status == 400
    await browser.get(address)
    await browser.post(address + "/rotate-secret")
    assert "whsec_" in browser.page
    await browser.post(address + "/rotate-secret/complete")
    assert (await stored())["rotation_ends_at"] is None
    await browser.post(address + "/test")
    assert "sample is on its way" in browser.page
    assert browser.path.startswith("/dashboard/deliveries/delivery_")
    await browser.get(address + "/delete")
    await browser.post(address + "/delete")
    assert browser.path == "/dashboard/webhooks"
    assert (await site.call("GET", f"/api/v1/webhooks/{webhook['id']}"))[0] == 404


def views(site: Site, method: str) -> list[str]:
    """Paths of the dashboard, with the names of their ids."""
    found = [route for route in site.client.app.router.routes() if route.method == method]
    infos = [route.resource.get_info() for route in found if route.resource]
    paths = [info.get("path") or info.get("formatter") or "" for info in infos]
    paths = [path.removeprefix("/dashboard") for path in paths if path.startswith("/dashboard")]
    assert len(paths) >= 8
    return [path for path in paths if path not in ("/sign-in", "/static/{version}/{name}")]


async def filled(site: Site, tenant: str) -> dict[str, str]:
    """Ids of things that a tenant has."""
    webhook = await site.create(tenant_id=tenant, description=SCRIPT)
    window = {"since": "2025-01-15T10:00:00.000Z"}
    _, replay = await site.call("POST", f"/api/v1/webhooks/{webhook['id']}/replay", window)
    delivery_id = await delivered(site, webhook["id"], tenant=tenant)
    return {"webhook_id": webhook["id"], "delivery_id": delivery_id, "replay_id": replay["id"], "event_id": "e1"}


async def test_of_another_tenant_s_nothing_is_seen_or_touched(site: Site, browser: Browser) -> None:
    ids = await filled(site, OTHER)
    await browser.sign_in(await key_of(site, "admin"))
    asked = 0
    for method in ("GET", "POST"):
        for path in views(site, method):
            if "{" in path:
                await browser.get("/webhooks")
                await (browser.get if method == "GET" else browser.post)(path.format(**ids))
                assert browser.status == 404, (method, path)
                asked += 1
    assert asked >= 11
    before = (await site.call("GET", f"/api/v1/webhooks/{ids['webhook_id']}"))[1]
    assert (before["version"], before["is_active"]) == (1, True)


async def test_without_its_token_no_form_is_taken(site: Site, browser: Browser) -> None:
    ids = await filled(site, TENANT)
    for signed_in in (False, True):
        if signed_in:
            await browser.sign_in(await key_of(site, "admin"))
        for path in [*views(site, "POST"), "/sign-in"]:
            for token in ("", "guessed"):
                browser.page = ""
                await browser.post(path.format(**ids), csrf=token)
                assert browser.status == 403, path
    assert (await site.call("GET", f"/api/v1/webhooks/{ids['webhook_id']}"))[1]["version"] == 1


async def test_a_key_that_only_reads_sees_and_cannot_change(site: Site, browser: Browser) -> None:
    ids = await filled(site, TENANT)
    await browser.sign_in(await key_of(site, "read"))
    for path in ("/webhooks", "/webhooks/{webhook_id}", "/deliveries", "/deliveries/{delivery_id}"):
        await browser.get(path.format(**ids))
        assert browser.status == 200
        assert re.findall(r'method="post" action="([^"]+)"', browser.page) == ["/dashboard/sign-out"]
    for path in views(site, "POST"):
        if path not in ("/sign-out", "/tenant"):
            await browser.get("/webhooks")
            await browser.post(path.format(**ids))
            assert browser.status == 403, path
            assert "lacks the scope" in browser.page


async def test_a_session_ends_with_its_key_and_by_signing_out(site: Site, browser: Browser) -> None:
    document, secret = await site.keys.create(TENANT, frozenset({"read"}))
    await browser.sign_in(secret)
    await site.keys.delete(document["id"], None)
    await browser.get("/webhooks")
    assert browser.path == "/dashboard/sign-in"
    await browser.sign_in(await key_of(site, "read"))
    kept = browser.http.cookie_jar.filter_cookies(site.client.make_url("/dashboard"))[COOKIE]
    assert kept.value
    await browser.post("/sign-out")
    await browser.get("/webhooks")
    assert browser.path == "/dashboard/sign-in"


async def test_an_unknown_key_is_told_so_and_only_our_own_pages_are_gone_back_to(site: Site, browser: Browser) -> None:
    await browser.get("/sign-in")
    await browser.post("/sign-in", key="scorm_unknown")
    assert browser.status == 401
    assert "not known or was revoked" in browser.page
    await browser.post("/sign-in", key=await key_of(site, "write"))
    assert browser.status == 401
    assert "lacks the scope" in browser.page
    secret = await key_of(site, "read")
    for following, path in (
        ("/dashboard/deliveries?status=dead", "/dashboard/deliveries"),
        ("//elsewhere.example/", "/dashboard/overview"),
        ("https://elsewhere.example/", "/dashboard/overview"),
        ("/dashboard//elsewhere.example/", "/dashboard/overview"),
    ):
        await browser.get("/sign-in")
        await browser.post("/sign-in", key=secret, next=following)
        assert browser.path == path


async def test_markup_that_was_stored_stays_text(site: Site, browser: Browser) -> None:
    ids = await filled(site, TENANT)
    await browser.sign_in(await key_of(site, "read", "write"))
    for path in ("/webhooks", "/webhooks/{webhook_id}", "/webhooks/{webhook_id}/edit"):
        await browser.get(path.format(**ids))
        assert html.escape(SCRIPT) in browser.page
        assert SCRIPT not in browser.page
    await browser.get("/deliveries/{delivery_id}".format(**ids))
    assert SCRIPT not in browser.page
    for given in ("?status=" + SCRIPT, "?cursor=" + SCRIPT):
        await browser.get("/deliveries" + given)
        assert browser.status == 400
        assert SCRIPT not in browser.page


async def test_markup_from_endpoints_producers_and_filters_stays_text(site: Site, browser: Browser) -> None:
    rule = {"field": "session_id", "eq": SCRIPT}
    webhook = await site.create(filter=rule, headers={"X-Mine": SCRIPT})
    identity = await delivered(site, webhook["id"])
    attempt = {"n": 1, "round": 1, "at": site.mongo.now(), "duration_ms": 5, "outcome": "retry", "error": "tls"}
    attempt |= {"detail": SCRIPT, "answer": SCRIPT.encode()}
    await site.mongo.db.deliveries.update_one({"_id": identity}, {"$set": {"attempts": [attempt], "attempt_count": 1}})
    data = json.dumps({"session_id": SCRIPT}).encode()
    await site.mongo.db.events.update_one({"event_id": "e1"}, {"$set": {"data": data}})
    ill = {"_id": webhook["id"], "failures": 3, "last_error": SCRIPT, "last_failure_at": site.mongo.now()}
    await site.mongo.db.webhook_health.insert_one(ill)
    await browser.sign_in(await key_of(site, "read", "write"))
    one = f"/webhooks/{webhook['id']}"
    for path in ("/webhooks", one, one + "/edit", "/deliveries", f"/deliveries/{identity}", "/events/e1", "/overview"):
        await browser.get(path)
        assert browser.status == 200
        assert SCRIPT not in browser.page
        assert path == "/overview" or "&lt;script&gt;alert(1)" in browser.page, path


async def test_the_operator_sees_all_tenants_and_picks_one(site: Site, browser: Browser) -> None:
    await site.create(url=URL + "/mine")
    await site.create(tenant_id=OTHER, url=URL + "/other")
    await browser.sign_in(ADMIN_KEY)
    assert URL + "/mine" in browser.page
    assert URL + "/other" in browser.page
    await browser.post("/tenant", tenant_id=OTHER)
    await browser.get("/webhooks")
    assert URL + "/mine" not in browser.page
    assert URL + "/other" in browser.page
    await browser.post("/tenant", tenant_id="no tenant")
    assert browser.status == 400


@pytest.mark.parametrize("path", ["/nothing", "/webhooks/webhook_0", "/webhooks/odd", "/deliveries/delivery_0"])
async def test_what_is_not_there_is_a_page_that_says_so(site: Site, browser: Browser, path: str) -> None:
    await browser.sign_in(await key_of(site, "read"))
    await browser.get(path)
    assert browser.status == 404
    assert "<h1>404</h1>" in browser.page


async def test_a_first_visit_is_small_and_a_second_smaller(site: Site, browser: Browser) -> None:
    for _ in range(3):
        await site.create()
    await browser.sign_in(await key_of(site, "read"))
    first = 0
    for address in re.findall(r'href="(/dashboard/static/[^"]+)"', browser.page):
        async with browser.http.get(site.client.make_url(address)) as response:
            assert response.status == 200
            assert "immutable" in response.headers["Cache-Control"]
            first += int(response.headers["Content-Length"])
    assert 0 < first < 50_000
    async with browser.http.get(site.client.make_url("/dashboard/static/old/app.css")) as response:
        assert response.status == 404


async def test_an_edit_keeps_a_filter_and_its_numbers(site: Site, browser: Browser) -> None:
    rule = {"any": [{"field": "score.scaled", "gte": 0.8}, {"field": "user_id", "in": ["a", "b"]}]}
    webhook = await site.create(filter=rule)
    await browser.sign_in(await key_of(site, "read", "write"))
    await browser.get(f"/webhooks/{webhook['id']}/edit")
    shown = re.search(r'<textarea id="filter"[^>]*>(.*?)</textarea>', browser.page, re.DOTALL)
    assert shown
    await browser.post(
        f"/webhooks/{webhook['id']}", url=URL, event_types="*", version="1", filter=html.unescape(shown[1])
    )
    assert "Saved" in browser.page
    assert (await site.call("GET", f"/api/v1/webhooks/{webhook['id']}"))[1]["filter"] == rule


async def test_forms_that_no_page_sends_are_refused_and_never_a_fault_of_ours(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    await browser.sign_in(await key_of(site, "read", "write"))
    address = f"/webhooks/{webhook['id']}"
    for wrong in (
        {"version": "9" * 5000},
        {"filter": "[" * 100_000},
        {"rate_limit": "nan"},
        {"max_attempts": "9" * 5000},
    ):
        await browser.get(address + "/edit")
        await browser.post(address, **{"url": URL, "event_types": "*", "version": "1", **wrong})
        assert browser.status == 422, wrong.keys()
    for kind in ("multipart/form-data", "application/x-www-form-urlencoded; charset=none"):
        url = site.client.make_url("/dashboard" + address)
        async with browser.http.post(url, data=b"csrf=\xff", headers={"Content-Type": kind}) as response:
            assert response.status in (400, 403), kind
    assert (await site.call("GET", f"/api/v1{address}"))[1]["version"] == 1
