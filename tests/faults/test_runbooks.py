"""Each alert's fault happens at a real site: the alert fires, its runbook is followed as it stands, and it is quiet."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.servers import Servers, Supplier
from tests.cluster import cluster, receiver
from tests.faults.link import link
from tests.faults.outages import LIMITS, STORIES, WEBHOOKS, Story
from tests.faults.watched import Watched, watched
from tests.prometheus import prometheus
from tests.rules import alerts
from tests.servers import private_servers_in

SETTINGS = {"RETRY_BASE_SECONDS": "0.2", "BREAKER_FAILURES": "2", "BREAKER_PROBE_SECONDS": "1"}
EASILY_FULL = {"QUEUE_DEPTH_LIMIT": "5", "SCHEDULER_BATCH": "2"}


@pytest.fixture(scope="module")
def servers(server_supplier: Supplier, servers_folder: Path) -> Iterator[Servers]:
    with private_servers_in(servers_folder, server_supplier) as private:
        yield private.both()


@pytest_asyncio.fixture(scope="module")
async def site(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    urls = servers.rabbitmq.url, servers.mongodb.url
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(
            cluster(folder, *urls, "ingest", "fanout", "delivery", "api", **SETTINGS)
        )
        endpoint = await stack.enter_async_context(receiver())
        between = await stack.enter_async_context(link(servers.rabbitmq.url))
        near = services.ingest
        services.add("ingest", AMQP_URL=between.url)
        services.add("ingest")
        services.ingest = near
        services.add("scheduler", **EASILY_FULL)
        await services.ready()
        for event_type, fields in WEBHOOKS:
            await services.create_webhook(f"{endpoint.url}/{event_type}", event_type, **fields)
        scraped = [service.url for service in services.services]
        judge = await stack.enter_async_context(prometheus(folder, scraped, LIMITS))
        made = await stack.enter_async_context(watched(services, endpoint, judge, between))
        for alert in alerts():
            await made.until_it_is_quiet(alert)  # what it looks at was not there before the first scrape
        yield made


@pytest_asyncio.fixture(scope="module")
async def stories(site: Watched) -> AsyncIterator[dict[str, "asyncio.Task[None]"]]:
    """By alert. All begin at once: most of a story is waiting."""
    told: dict[str, asyncio.Task[None]] = {}
    for story in STORIES:
        task = asyncio.create_task(_told(site, story, [told[alert] for alert in story.after]))
        told |= dict.fromkeys(story.alerts, task)
    yield told
    for task in told.values():
        task.cancel()
    await asyncio.gather(*told.values(), return_exceptions=True)


async def _told(site: Watched, story: Story, before: list["asyncio.Task[None]"]) -> None:
    if before:
        await asyncio.wait(before)
    for alert in story.alerts:
        await site.until_it_is_quiet(alert)  # what another story did passes
    await story.tell(site)


def test_every_alert_has_a_story() -> None:
    assert sorted(alert for story in STORIES for alert in story.alerts) == sorted(alerts())


@pytest.mark.parametrize("alert", alerts())
async def test_the_alert_fires_and_its_runbook_ends_it(stories: dict[str, "asyncio.Task[None]"], alert: str) -> None:
    await stories[alert]
