"""What the API's requests make MongoDB do, by its own profiler: it reads what is answered and sorts nothing."""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.servers import Server
from shared.routes import Route
from shared.times import iso
from tests.cluster import ADMIN_KEY
from tests.integration.test_api import V1, Site, opened_site
from tests.reads import Query, cursors, each_and_all, is_list, path, queries, read_routes
from tests.seed import Owner, Seeded, seed

pytestmark = pytest.mark.timeout(600)

OVER = 2
"""Documents read beyond those answered: the one that tells whether there is a next page, and one that was looked up."""

Plan = dict[str, Any]


@dataclass
class Watched:
    """The API on a full database whose profiler notes every command."""

    site: Site
    seeded: Seeded

    async def ask(
        self, method: str, path: str, key: str, query: Query | None = None, body: object = None
    ) -> tuple[int, Any, list[Plan]]:
        """Status and answer, and how the database found what the request asked it for."""
        db = self.site.mongo.db
        await db["system.profile"].drop()
        await db.command("profile", 2)
        try:
            given = "&".join(f"{name}={value}" for name, value in (query or {}).items())
            status, answer = await self.site.call(method, f"{path}?{given}" if given else path, body, key)
        finally:
            await db.command("profile", 0)
        noted = await db["system.profile"].find({"planSummary": {"$exists": True}}).to_list(None)
        return status, answer, [plan for plan in noted if not plan["ns"].endswith(".system.profile")]


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def watched(mongodb: Server) -> AsyncIterator[Watched]:
    async with opened_site(mongodb.url) as site:
        yield Watched(site, await seed(site.mongo))


def complaint(plan: Plan) -> str | None:
    """What is wrong with it."""
    answered = max(plan.get(name, 0) for name in ("nreturned", "nMatched", "ndeleted"))
    if "COLLSCAN" in plan["planSummary"]:
        return "reads the whole collection"
    if plan.get("hasSortStage"):
        return "sorts in memory"
    if plan["docsExamined"] > 2 * answered + OVER:
        return f"reads {plan['docsExamined']} documents for {answered}"
    return None


def complaints(plans: Iterable[Plan]) -> list[str]:
    return [f"{plan['ns']} {words}: {plan['command']}" for plan in plans if (words := complaint(plan))]


@dataclass(frozen=True)
class Asking:
    """With whose key, for whose things, and what may be answered. `named`: the tenant, where it can be."""

    key: str
    owner: Owner
    named: bool
    statuses: tuple[int, ...]

    def about(self, route: Route) -> Query:
        return {"tenant_id": self.owner.tenant_id} if self.named and "tenant_id" in route.query.model_fields else {}


def askings(seeded: Seeded) -> Iterator[Asking]:
    for owner in (seeded.busy, seeded.quiet):
        yield Asking(ADMIN_KEY, owner, True, (200,))
        yield Asking(owner.key, owner, False, (200, 403))  # some things are for the operator only
    yield Asking(ADMIN_KEY, seeded.busy, False, (200, 400))  # some lists are of one tenant only
    yield Asking(seeded.quiet.key, seeded.busy, False, (200, 403, 404))


async def test_every_get_request_reads_from_an_index_only_what_it_answers(watched: Watched) -> None:
    wrong: list[str] = []
    for route in read_routes(watched.site.routes):
        for asking in askings(watched.seeded):
            for query in queries(route, asking.owner, watched.seeded):
                async for plans in requests(watched, route, asking, query):
                    wrong += [f"{route.name} {query}: {words}" for words in complaints(plans)]
    assert not wrong, "\n".join(wrong)


async def requests(watched: Watched, route: Route, asking: Asking, query: Query) -> AsyncIterator[list[Plan]]:
    """A list's first two pages, one from its middle, and on to its last; anything else once."""
    where, query = path(route, asking.owner), {**asking.about(route), **query}
    status, answer, plans = await watched.ask("GET", where, asking.key, query)
    assert status in asking.statuses, (route.name, query, answer)
    yield plans
    if status != 200 or not is_list(route):
        return
    if asking.named and query.keys() <= {"tenant_id"}:
        assert next(iter(answer.values())), f"{route.name}: a list of nothing proves nothing"
    for cursor in following(answer["next_cursor"], watched.seeded):
        _, answer, plans = await watched.ask("GET", where, asking.key, {**query, "cursor": cursor})
        yield plans
        if answer["next_cursor"] is None:
            return


def following(second: str | None, seeded: Seeded) -> Iterator[str]:
    if second:
        yield second
        yield from cursors(seeded)


CANCEL = ("event_type", "since", "until", "response_status")
REPLAY = ("which", "event_type", "until")


@pytest.mark.parametrize(("action", "filters"), [("deliveries/cancel", CANCEL), ("replay", REPLAY)])
async def test_what_would_be_cancelled_or_replayed_is_counted_in_the_index(
    watched: Watched, action: str, filters: Iterable[str]
) -> None:
    always = {"dry_run": True, **({"since": iso(watched.seeded.begins)} if action == "replay" else {})}
    for owner in (watched.seeded.busy, watched.seeded.quiet):
        for body in each_and_all(filters, owner, watched.seeded):
            where = f"{V1}/{owner.ids['webhook_id'][0]}/{action}"
            status, answer, plans = await watched.ask("POST", where, owner.key, body=always | body)
            assert status in (200, 202), answer
            assert not complaints(plans)
            assert [plan["docsExamined"] for plan in plans if plan["ns"].endswith(".deliveries")] == [0]


@pytest.mark.parametrize("status", ["pending", "waiting", "dead", "succeeded", "cancelled"])
@pytest.mark.parametrize("action", ["retry", "cancel"])
async def test_what_is_done_to_one_delivery_touches_no_other(watched: Watched, action: str, status: str) -> None:
    for owner in (watched.seeded.busy, watched.seeded.quiet):
        found = await watched.site.mongo.db.deliveries.find_one({"tenant_id": owner.tenant_id, "status": status})
        assert found
        code, answer, plans = await watched.ask("POST", f"/api/v1/deliveries/{found['_id']}/{action}", owner.key)
        assert code in (200, 202, 409), answer
        assert plans
        assert not complaints(plans)


async def test_cancelling_many_reads_what_it_cancels(watched: Watched) -> None:
    quiet = watched.seeded.quiet
    where = f"{V1}/{quiet.ids['webhook_id'][0]}/deliveries/cancel"
    _, answer, plans = await watched.ask("POST", where, quiet.key, body={"event_type": "session.completed"})
    assert answer["cancelled"]
    assert not complaints(plans)
