"""`webhook_health`: which lines stand, as fan-out and the scheduler see them."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from deploy.local.servers import Server
from shared.contracts.health import News, StandingLine
from shared.store.health import WebhookHealths
from shared.store.mongo import Mongo
from tests.integration.test_store import opened


@pytest_asyncio.fixture(loop_scope="session")
async def mongo(mongodb: Server) -> AsyncIterator[Mongo]:
    async with opened(mongodb.url) as opened_mongo:
        yield opened_mongo


def ago(mongo: Mongo, seconds: float) -> datetime:
    return mongo.now() - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seen", "stands", "recovered"),
    [
        ({}, True, False),
        ({"failure_at": 3}, True, False),
        ({"success_at": 5, "failure_at": 3}, True, False),
        ({"success_at": 3, "failure_at": 5}, False, True),
        ({"success_at": 3}, False, True),
        ({"success_at": 3, "slow_at": 5}, True, False),
        ({"success_at": 3, "slow_at": 40}, False, True),
        ({"success_at": 40 * 24 * 3600}, True, False),
    ],
)
async def test_a_line_stands_until_its_endpoint_answers_again(
    mongo: Mongo, seen: dict[str, float], stands: bool, recovered: bool
) -> None:
    """`seen` in seconds ago."""
    healths, until = WebhookHealths(mongo), ago(mongo, -60)
    moments = {name: ago(mongo, seconds) for name, seconds in seen.items()}
    await healths.save([News("webhook_1", "t", deferred_until=until, **moments)])
    assert ("webhook_1" in await healths.lines()) is stands
    assert ([document["_id"] for document in await healths.recovered()] == ["webhook_1"]) is recovered


async def test_a_line_reaches_as_far_as_anybody_said_and_answers_are_added_up(mongo: Mongo) -> None:
    healths, now = WebhookHealths(mongo), mongo.now().replace(microsecond=0)
    assert await healths.lines() == {}
    near, far = now + timedelta(seconds=30), now + timedelta(seconds=90)
    await healths.save([News("far", "t", deferred_until=far), News("near", "t", deferred_until=near, answers=2)])
    await healths.save([News("far", "t", deferred_until=near, answers=1), News("over", "t", deferred_until=now)])
    await healths.save([News("far", "t", answers=3), News("never", "t", failure_at=now)])
    assert list((await healths.lines()).items()) == [("far", StandingLine(far, 4)), ("near", StandingLine(near, 2))]


async def test_looking_at_lines_reads_no_more_than_these(mongo: Mongo) -> None:
    healths, now = WebhookHealths(mongo), mongo.now()
    well = [News(f"webhook_{number}", "t", success_at=now) for number in range(200)]
    await healths.save([*well, News("slow", "t", deferred_until=now + timedelta(seconds=60))])
    await mongo.db.command("profile", 2)
    await healths.lines()
    await mongo.db.command("profile", 0)
    [query] = await mongo.db["system.profile"].find({"command.find": "webhook_health"}).to_list(None)
    assert query["planSummary"].startswith("IXSCAN { deferred_until")
    assert query["docsExamined"] == 1
