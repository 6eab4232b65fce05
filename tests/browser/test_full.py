"""Every page in every look on a site with 200,000 deliveries of one tenant, and for a tenant who has none yet."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from deploy.local.servers import Server
from tests.browser.driving import EVERY_LOOK, Filled
from tests.browser.views import possible
from tests.cluster import Cluster, cluster
from tests.seed import Owner, Seeded, seed_cluster
from tests.seed.plan import ALL_OF_ONE

pytestmark = pytest.mark.timeout(600)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[tuple[Cluster, Seeded]]:
    folder: Path = tmp_path_factory.mktemp("full")
    async with cluster(folder, rabbitmq.url, mongodb.url, "api", API_REQUESTS_PER_MINUTE="0") as services:
        yield services, await seed_cluster(services, ALL_OF_ONE)


def seen_by(services: Cluster, owner: Owner) -> Filled:
    return Filled(services, owner.key, {"": owner.first})


@pytest.mark.parametrize("look", EVERY_LOOK)
async def test_with_200_000_deliveries_no_page_has_a_barrier(
    site: tuple[Cluster, Seeded], chromium: Browser, look: str
) -> None:
    services, seeded = site
    await seen_by(services, seeded.busy).drive(chromium, look, possible(seeded.busy.first), sees=False)


@pytest.mark.parametrize("look", ["phone", "without scripts"])
async def test_with_no_delivery_no_page_has_a_barrier(
    site: tuple[Cluster, Seeded], chromium: Browser, look: str
) -> None:
    services, seeded = site
    await seen_by(services, seeded.quiet).drive(chromium, look, possible(seeded.quiet.first), sees=False)
