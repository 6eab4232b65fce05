"""Cursors over HTTP while the list grows: what was there when a walk began is on exactly one page."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from pymongo import WriteConcern

from deploy.local.servers import Server
from shared.contracts.delivery import Status
from shared.ids import event_key
from shared.store.mongo import Document
from tests.cluster import TENANT
from tests.integration.test_api import V1, Site, opened_site

THERE, ARRIVING = 10_000, 1_000
PAGE = 200
_numbers = count()


@pytest_asyncio.fixture(loop_scope="session")
async def site(mongodb: Server) -> AsyncIterator[Site]:
    async with opened_site(mongodb.url) as made:
        yield made


def delivery(webhook_id: str, created_at: datetime, status: Status = Status.DEAD) -> Document:
    number = next(_numbers)
    return {
        "_id": f"delivery_{number * 7919 % 1_000_003:032x}",  # later is not larger
        "tenant_id": TENANT,
        "webhook_id": webhook_id,
        "event_id": f"e{number}",
        "event": "session.created",
        "status": status,
        "round": 1,
        "attempt_count": 0,
        "attempts": [],
        "created_at": created_at,
    }


def event(created_at: datetime, kind: str = "session.created") -> Document:
    identity = f"e{next(_numbers) * 7919 % 1_000_003}"
    facts = {"tenant_id": TENANT, "event_id": identity, "event": kind, "timestamp": "2025-01-15T10:30:00.000Z"}
    return {"_id": event_key(TENANT, identity), **facts, "data": b"{}", "created_at": created_at}


async def insert(site: Site, collection: str, documents: Iterable[Document]) -> None:
    await site.mongo.db[collection].with_options(write_concern=WriteConcern(w=1)).insert_many(documents)


def moments(site: Site) -> list[datetime]:
    """Of what is there: always three of one millisecond, the last of this one."""
    now = site.mongo.now()
    return [now - timedelta(milliseconds=number // 3) for number in range(THERE)]


async def arrive(site: Site, collection: str, make: Callable[[datetime], Document], pages: asyncio.Semaphore) -> None:
    """Some with every page that is read: half of this millisecond, half as old as what is there, by a slow process."""
    at_once, dice = ARRIVING * PAGE // THERE, random.Random(1)
    old = moments(site)
    for _ in range(ARRIVING // at_once):
        await pages.acquire()
        new = [site.mongo.now()] * (at_once // 2)
        await insert(site, collection, map(make, [*new, *dice.sample(old, at_once - len(new))]))


async def walk(site: Site, path: str, pages: asyncio.Semaphore) -> list[dict[str, Any]]:
    """All entries of all pages."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        status, answer = await site.call("GET", f"{path}&limit={PAGE}{cursor}")
        assert status == 200, answer
        found += next(iter(answer.values()))
        pages.release()
        if answer["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer['next_cursor']}"


async def walk_while_more_arrive(
    site: Site, path: str, collection: str, make: Callable[[datetime], Document]
) -> list[str]:
    pages = asyncio.Semaphore(0)
    arriving = asyncio.create_task(arrive(site, collection, make, pages))
    found = await walk(site, path, pages)
    await arriving
    return [entry["id"] for entry in found]


def assert_each_once(found: list[str], expected: Iterable[str]) -> None:
    assert len(found) == len(set(found))
    assert set(expected) <= set(found)


@pytest.mark.parametrize("status", ["", "&status=dead"])
@pytest.mark.parametrize("path", [V1 + "/{webhook_id}/deliveries?", "/api/v1/deliveries?tenant_id=" + TENANT])
async def test_a_walk_through_deliveries_while_more_arrive_shows_each_once(site: Site, path: str, status: str) -> None:
    webhook_id = (await site.create())["id"]
    dead = [delivery(webhook_id, moment) for moment in moments(site)]
    # Others in between, which a filter leaves out.
    others = [delivery(webhook_id, moment, Status.SUCCEEDED) for moment in moments(site)[::5]]
    await insert(site, "deliveries", dead + others)

    def make(now: datetime) -> Document:
        return delivery(webhook_id, now)

    found = await walk_while_more_arrive(site, path.format(webhook_id=webhook_id) + status, "deliveries", make)
    assert_each_once(found, [document["_id"] for document in (dead if status else dead + others)])
    assert await site.mongo.db.deliveries.count_documents({}) == len(dead) + len(others) + ARRIVING


@pytest.mark.parametrize("kind", ["", "&event_type=session.created"])
async def test_a_walk_through_events_while_more_arrive_shows_each_once(site: Site, kind: str) -> None:
    created = [event(moment) for moment in moments(site)]
    others = [event(moment, "session.progress") for moment in moments(site)[::5]]
    await insert(site, "events", created + others)
    path = f"/api/v1/events?tenant_id={TENANT}{kind}"
    found = await walk_while_more_arrive(site, path, "events", event)
    assert_each_once(found, [document["event_id"] for document in (created if kind else created + others)])
    assert await site.mongo.db.events.count_documents({}) == len(created) + len(others) + ARRIVING
