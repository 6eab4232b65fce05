"""What pages show of statistics: a day in small bars, charts and their tables, who is busiest, who is in trouble."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from aiohttp import ClientSession, CookieJar

from deploy.local.servers import Server
from services.api.overview import MOST_TENANTS
from shared.contracts.cell import Cell
from shared.contracts.delivery import Attempt, Outcome
from shared.contracts.health import News
from shared.latency import bucket
from shared.store.health import WebhookHealths
from shared.store.stats import Figures, Stats
from tests.cluster import ADMIN_KEY, TENANT
from tests.integration.test_api import Site, delivered, opened_site
from tests.integration.test_dashboard import OTHER, SCRIPT, Browser, key_of

HOUR = timedelta(hours=1)
URL = "https://lms.example.com/hooks/"
Happened = Mapping[str, Mapping[str, int]]


@pytest_asyncio.fixture(loop_scope="session")
async def site(mongodb: Server) -> AsyncIterator[Site]:
    async with opened_site(mongodb.url, most=100) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def browser(site: Site) -> AsyncIterator[Browser]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        yield Browser(site, http)


def figures(counts: Mapping[str, int], milliseconds: int) -> Figures:
    made = Figures()
    made.counts.update(counts)
    made.attempts = made.counts.total()
    made.latency[str(bucket(milliseconds))] += counts.get("succeeded", 0)
    return made


async def happened(site: Site, when: datetime, webhooks: Happened, *, tenant: str = TENANT, took: int = 100) -> None:
    """What the scheduler counted of the minute of `when`, of each webhook and of all together."""
    whole = figures({}, took)
    for counts in webhooks.values():
        one = figures(counts, took)
        whole.counts += one.counts
        whole.latency += one.latency
        whole.attempts += one.attempts
    by_webhook = {webhook_id: figures(counts, took) for webhook_id, counts in webhooks.items()}
    stats = Stats(site.mongo, kept=timedelta(days=90))
    await stats.keep(Cell.of(tenant, when), {None: whole, **by_webhook}, site.mongo.now())


def hour(site: Site, ago: int) -> datetime:
    """In the hour that began so many hours before this one."""
    return site.mongo.now().replace(minute=0, second=0, microsecond=0) - ago * HOUR


def row(browser: Browser, webhook_id: str) -> str:
    """Of the first table that has it."""
    (found,) = [part for part in browser.page.split("<tr>")[1:] if f"/webhooks/{webhook_id}" in part][:1]
    return found


def drawn(part: str, tone: str) -> int:
    """Bars of this tone."""
    return sum(path.count("M") for path in re.findall(rf'<path class="{tone}" d="([^"]+)"', part))


async def test_the_list_shows_each_webhook_s_day_in_bars_and_in_words_and_what_waits(
    site: Site, browser: Browser
) -> None:
    one, idle = [(await site.create(url=URL + name))["id"] for name in ("one", "idle")]
    await happened(site, hour(site, 2), {one: {"succeeded": 980, "dead": 20}})
    await happened(site, hour(site, 5), {one: {"succeeded": 204, "waiting": 3}})
    await happened(site, hour(site, 24), {one: {"dead": 7}})  # no longer of the last 24 hours
    await happened(site, hour(site, 50), {one: {"succeeded": 5, "waiting": 1204}})  # still waits
    await happened(site, hour(site, 80), {one: {"waiting": 9}})  # longer than a delivery may
    await browser.sign_in(await key_of(site, "read"))
    shown = row(browser, one)
    assert "98 % of 1,204 in 24 h" in shown
    assert [drawn(shown, tone) for tone in ("good", "bad", "off")] == [2, 1, 1]
    assert f'href="/dashboard/webhooks/{one}?status=waiting"' in shown
    assert ">1,207</a>" in shown
    assert "none in 24 h" in row(browser, idle)
    assert "<path" not in row(browser, idle)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"succeeded": 1999, "dead": 1}, "99.9 % of 2,000"),
        ({"succeeded": 5}, "100 % of 5 "),
        ({"dead": 5}, "0 % of 5 "),
        ({"succeeded": 1, "dead": 999}, "under 1 % of 1,000"),
        ({"waiting": 30, "cancelled": 2}, "32 in 24 h, none decided"),
    ],
)
async def test_all_and_none_are_said_only_of_all_and_none(
    site: Site, browser: Browser, counts: dict[str, int], words: str
) -> None:
    webhook = await site.create()
    await happened(site, hour(site, 0), {webhook["id"]: counts})
    await browser.sign_in(await key_of(site, "read"))
    assert words in browser.page


async def test_the_overview_counts_the_events_of_the_last_hour(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    for number in range(3):
        await delivered(site, webhook["id"], f"e{number}")
    long_ago = site.mongo.now() - timedelta(hours=2)
    await site.mongo.db.events.update_one({"event_id": "e0"}, {"$set": {"created_at": long_ago}})
    await browser.sign_in(await key_of(site, "read"))
    await browser.get("/overview")
    assert re.search(r"Events, last hour</dt><dd>2</dd>", browser.page)
    await browser.get("/sign-in")
    await browser.sign_in(await key_of(site, "read", tenant=OTHER))
    await browser.get("/overview")
    assert re.search(r"Events, last hour</dt><dd>0</dd>", browser.page)


async def test_the_figures_of_all_shown_webhooks_are_one_query_from_an_index(site: Site, browser: Browser) -> None:
    for number in range(12):
        webhook = await site.create(url=URL + str(number))
        await happened(site, hour(site, 1), {webhook["id"]: {"succeeded": 3}})
    await browser.sign_in(await key_of(site, "read"))
    for path, most in (("/webhooks", 1), ("/webhooks?q=hooks", 1), ("/overview", 4)):
        plans = await planned(site, browser, path)
        assert not [plan for plan in plans if "COLLSCAN" in plan["planSummary"]], path
        assert 0 < len([plan for plan in plans if plan["ns"].endswith(".stats")]) <= most
        assert max(plan["docsExamined"] for plan in plans) <= 2 * 12 + 2


async def planned(site: Site, browser: Browser, path: str) -> list[dict[str, Any]]:
    """How the database found what a page asked it for."""
    db = site.mongo.db
    await db["system.profile"].drop()
    await db.command("profile", 2)
    try:
        await browser.get(path)
    finally:
        await db.command("profile", 0)
    noted = await db["system.profile"].find({"planSummary": {"$exists": True}}).to_list(None)
    return [plan for plan in noted if not plan["ns"].endswith(".system.profile")]


async def test_a_search_finds_parts_of_urls_descriptions_and_ids_of_one_s_own(site: Site, browser: Browser) -> None:
    first = await site.create(url=URL + "a?x=1.5*", description="Nightly (sync)")
    second = await site.create(url="https://crm.example.com/", description="100 % of it")
    await site.create(tenant_id=OTHER, url=URL + "theirs", description="Nightly")
    await browser.sign_in(await key_of(site, "read"))
    for q, found in (
        ("LMS.example", [first]),
        ("nightly (", [first]),
        ("1.5*", [first]),
        (second["id"][3:], [second]),
        (" example.com ", [first, second]),
        ("100 %", [second]),
        (".*", []),
        ("theirs", []),
    ):
        await browser.get("/webhooks?" + urlencode({"q": q}))
        shown = set(re.findall(r'href="/dashboard/webhooks/(webhook_\w+)"', browser.page))
        assert shown == {webhook["id"] for webhook in found}, q
    assert "No webhook has theirs in its URL" in browser.page
    await browser.get("/webhooks?" + urlencode({"q": SCRIPT}))
    assert SCRIPT not in browser.page
    await browser.get("/webhooks?" + urlencode({"q": "x" * 201}))
    assert browser.status == 400


async def test_pages_of_a_search_go_on_with_it(site: Site, browser: Browser) -> None:
    for number in range(52):
        await site.create(url=URL + f"{number:02}")
    for number in range(3):
        await site.create(url=f"https://elsewhere.example.com/{number}")
    await browser.sign_in(await key_of(site, "read"))
    await browser.get("/webhooks?q=lms.example")
    assert browser.page.count(URL) == 50
    following = re.search(r'href="(\?[^"]+)" rel="next"', browser.page)
    assert following
    await browser.get("/webhooks" + following[1].replace("&amp;", "&"))
    assert browser.page.count(URL) == 2
    assert 'rel="next"' not in browser.page
    assert 'value="lms.example"' in browser.page


async def test_among_all_tenants_only_an_id_is_searched_for(site: Site, browser: Browser) -> None:
    webhook = await site.create(url=URL + "one")
    await browser.sign_in(ADMIN_KEY)
    await browser.get("/webhooks?q=lms")
    assert "Pick a tenant above to search" in browser.page
    assert URL not in browser.page
    await browser.get("/webhooks?q=" + webhook["id"])
    assert browser.path == f"/dashboard/webhooks/{webhook['id']}"


@pytest.mark.parametrize(("period", "rows"), [("24h", 24), ("7d", 7 * 24)])
async def test_a_webhook_s_figures_are_a_table_of_each_hour(
    site: Site, browser: Browser, period: str, rows: int
) -> None:
    webhook = await site.create()
    address = f"/webhooks/{webhook['id']}"
    when = hour(site, 3)
    await happened(site, when, {webhook["id"]: {"succeeded": 90, "dead": 10, "waiting": 4, "pending": 1}}, took=1500)
    await browser.sign_in(await key_of(site, "read"))
    await browser.get(f"{address}?status=dead&period={period}")
    assert browser.status == 200
    table = browser.page[browser.page.index('id="figures"') :].split("</table>")[0]
    assert table.count('<th scope="row">') == rows
    values = dict(re.findall(r'data-of="(\w+)" data-value="(\d+)"', table))
    (stats,) = (await site.call("GET", f"/api/v1/stats?webhook_id={webhook['id']}"))[1]["stats"]
    assert values == {
        "succeeded": "90",
        "dead": "10",
        "under_way": "5",
        **{name: str(stats["latency_ms"][name]) for name in ("p50", "p95", "p99")},
    }
    assert "105 deliveries, 90 % of those" in browser.page
    assert f'<input type="hidden" name="period" value="{period}">' in browser.page  # filters keep it
    for other in ("24h", "7d"):
        assert f'href="?status=dead&amp;period={other}#figures-heading"' in browser.page
    await browser.get(f"{address}?period=2y")
    assert browser.status == 400


async def test_percentiles_of_the_whole_window_are_of_all_its_deliveries(site: Site, browser: Browser) -> None:
    webhook = await site.create()
    noon = hour(site, 0).replace(hour=12) - timedelta(days=2)
    await happened(site, noon, {webhook["id"]: {"succeeded": 98}}, took=10)
    await happened(site, noon + HOUR, {webhook["id"]: {"succeeded": 2}}, took=100_000)
    await browser.sign_in(await key_of(site, "read"))
    await browser.get(f"/webhooks/{webhook['id']}?period=7d")
    assert re.search(r"half of all within (9|10|11) ms, 99 % within 1 min \d+ s", browser.page)


async def test_the_first_page_has_the_day_s_figures_and_who_is_busiest_and_in_trouble(
    site: Site, browser: Browser
) -> None:
    busy, failing, calm = [(await site.create(url=URL + name))["id"] for name in ("busy", "failing", "calm")]
    theirs = (await site.create(tenant_id=OTHER, url=URL + "theirs"))["id"]
    await happened(site, hour(site, 1), {busy: {"succeeded": 500}, failing: {"dead": 40, "waiting": 7}})
    await happened(site, hour(site, 9), {busy: {"succeeded": 400, "dead": 60}, calm: {"succeeded": 100}})
    await happened(site, hour(site, 1), {theirs: {"dead": 9000}}, tenant=OTHER)
    await ill(site, theirs, OTHER)
    await browser.get("/sign-in")
    await browser.post("/sign-in", key=await key_of(site, "read"))
    assert browser.path == "/dashboard/overview"
    for fact in ("<dd>1,107</dd>", "<dd>90 %</dd>", "<dd>7</dd>"):
        assert fact in browser.page
    busiest, trouble = browser.page.split("<h2>Busiest webhooks</h2>")[1].split("<h2>Webhooks in trouble</h2>")
    assert re.findall(r"/webhooks/(webhook_\w+)", busiest) == [busy, failing]
    assert re.findall(r"/webhooks/(webhook_\w+)", trouble) == [busy, failing]
    assert "theirs" not in browser.page
    assert "Waiting deliveries by due time" not in browser.page
    await ill(site, failing, TENANT)
    await browser.get("/overview")
    trouble = browser.page.split("<h2>Webhooks in trouble</h2>")[1]
    assert re.findall(r"/webhooks/(webhook_\w+)", trouble) == [failing, busy]


async def test_that_many_wait_is_trouble_and_that_a_few_do_is_none(site: Site, browser: Browser) -> None:
    many, few = [(await site.create(url=URL + name))["id"] for name in ("many", "few")]
    await happened(site, hour(site, 0), {many: {"succeeded": 9, "waiting": 5}, few: {"succeeded": 900, "waiting": 5}})
    await browser.sign_in(await key_of(site, "read"))
    await browser.get("/overview")
    trouble = browser.page.split("<h2>Webhooks in trouble</h2>")[1]
    assert re.findall(r"/webhooks/(webhook_\w+)", trouble) == [many]


async def ill(site: Site, webhook_id: str, tenant: str) -> None:
    """A hundred attempts failed, and none succeeded since."""
    attempt = Attempt(
        key="k", n=1, turn=1, round=1, at=site.mongo.now(), duration_ms=5, outcome=Outcome.RETRY, detail="it is down"
    )
    news = News(webhook_id, tenant)
    for _ in range(100):
        news.failed(attempt)
    await WebhookHealths(site.mongo).save([news], "worker", {}, [])


async def test_a_webhook_that_fails_is_in_trouble_also_without_deliveries_unless_it_is_inactive(
    site: Site, browser: Browser
) -> None:
    webhook = await site.create(url=URL + "failing")
    await ill(site, webhook["id"], TENANT)
    await browser.sign_in(await key_of(site, "read"))
    await browser.get("/overview")
    assert webhook["id"] in browser.page
    await site.call("PATCH", f"/api/v1/webhooks/{webhook['id']}", {"is_active": False})
    await browser.get("/overview")
    assert "None: nothing fails and nothing piles up." in browser.page


async def test_the_operator_sees_few_tenants_together_and_of_many_what_an_index_knows(
    site: Site, browser: Browser
) -> None:
    mine, theirs = (await site.create(url=URL + "mine"))["id"], (await site.create(tenant_id=OTHER))["id"]
    await happened(site, hour(site, 1), {mine: {"succeeded": 30}})
    await happened(site, hour(site, 1), {theirs: {"succeeded": 12}}, tenant=OTHER)
    await ill(site, mine, TENANT)
    due = [(-1, "Overdue"), (30, "Within 1 min"), (300, "In 1 min to 1 h"), (7200, "In 1 h to 8 h"), (1e5, "In more")]
    now = site.mongo.now()
    for number, (seconds, _) in enumerate(due):
        waiting = {"status": "waiting", "due_at": now + timedelta(seconds=seconds)}
        await site.mongo.db.deliveries.insert_many([{"_id": f"{number}-{n}", **waiting} for n in range(number + 1)])
    await browser.sign_in(ADMIN_KEY)
    await browser.get("/overview")
    assert "<dd>42</dd>" in browser.page
    assert {mine, theirs} <= set(re.findall(r"/webhooks/(webhook_\w+)", browser.page))
    for number, (_, words) in enumerate(due):
        assert re.search(rf"<dt>{words}[^<]*</dt><dd>{number + 1}</dd>", browser.page)
    for number in range(MOST_TENANTS):
        await site.create(tenant_id=f"tenant-{number}")
    await browser.get("/overview")
    assert "pick a tenant above" in browser.page
    assert re.findall(r"/webhooks/(webhook_\w+)", browser.page) == [mine]
    await browser.post("/tenant", tenant_id=OTHER)
    assert browser.path == "/dashboard/overview"
    assert "<dd>12</dd>" in browser.page
    assert "Overdue" not in browser.page
