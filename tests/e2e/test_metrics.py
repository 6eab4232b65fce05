"""Metrics of the five services under a load in which everything happens, as a real Prometheus sees them."""

import json
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aio_pika
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.servers import Server
from shared.broker.topology import PARKED
from tests.cluster import SESSION, Cluster, Receiver, again_and_again, cluster, free_port, receiver, until
from tests.prometheus import Prometheus, prometheus
from tests.rules import rules, sides, targets
from tests.tools import tool

SETTINGS = {"RETRY_BASE_SECONDS": "0.2", "RETRY_FACTOR": "1", "BREAKER_FAILURES": "2", "BREAKER_PROBE_SECONDS": "1"}
TENANTS = ("tenant-1", "tenant-2", "tenant-3")

Series = frozenset[tuple[str, tuple[tuple[str, str], ...]]]


@dataclass
class Site:
    services: Cluster
    endpoint: Receiver
    judge: Prometheus
    at_start: dict[str, Series]
    published: float = 0.0


async def series(services: Cluster) -> dict[str, Series]:
    """By service."""
    return {service.name: _series(await _exposed(services, service.url)) for service in services.services}


async def _exposed(services: Cluster, url: str) -> str:
    async with services.http.get(url + "/metrics") as response:
        return await response.text()


def _series(text: str) -> Series:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return frozenset((sample.name, tuple(sorted(sample.labels.items()))) for sample in samples)


@pytest_asyncio.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("metrics")
    async with (
        cluster(folder, rabbitmq.url, mongodb.url, **SETTINGS) as services,
        receiver(lambda _, received: 500 if received.path == "/failing" else 200) as endpoint,
        prometheus(folder, [service.url for service in services.services]) as judge,
    ):
        made = Site(services, endpoint, judge, await series(services))
        for tenant in TENANTS:
            await _webhooks(made, tenant)
        made.published = time.time()
        async with again_and_again(lambda: _publish(made), every=1):
            await until(lambda: _happened(made), 60, services.logs)
            yield made


async def _webhooks(site: Site, tenant: str) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    for url, fields in (
        (site.endpoint.url, {}),
        (site.endpoint.url, {"coalesce_seconds": 1}),
        (site.endpoint.url, {"ordered": True}),
        (site.endpoint.url + "/failing", {"max_attempts": 1}),
        (away, {}),
    ):
        await site.services.create_webhook(url, "session.progress", tenant_id=tenant, **fields)


async def _publish(site: Site) -> None:
    events = [{"event": "session.progress", "tenant_id": tenant, "data": SESSION} for tenant in TENANTS] * 2
    async with site.services.http.post(site.services.ingest + "/api/v1/events", json=events) as response:
        assert response.status == 202, await response.text()
    async with site.services.http.post(site.services.ingest + "/api/v1/events", json={}) as response:
        assert response.status == 400
    async with site.services.channel() as channel:
        exchange = await channel.get_exchange("events")
        await exchange.publish(aio_pika.Message(b"nonsense"), routing_key="session.progress")
        for event in events:
            await exchange.publish(aio_pika.Message(json.dumps(event).encode()), routing_key="session.progress")


async def _happened(site: Site) -> bool:
    """Delivered, dead, folded, parked, refused, and breakers open."""
    for needed in (
        *(f'dispatcher_deliveries_ended_total{{status="{status}"}}' for status in ("succeeded", "dead", "folded")),
        *(f'dispatcher_queue_messages{{queue="{PARKED}"}}', 'dispatcher_messages_parked_total{queue="fanout"}'),
        *('dispatcher_events_refused_total{code="INVALID_REQUEST"}', "dispatcher_breakers_open"),
        'dispatcher_deliveries_released_total{why="due"}',
    ):
        if not await site.judge.query(f"{needed} > 0"):
            return False
    return True


@pytest.mark.parametrize("name", ["ingest", "fanout", "delivery", "scheduler", "api"])
async def test_names_and_units_are_as_prometheus_wants_them(site: Site, name: str) -> None:
    exposed = await _exposed(site.services, site.services.of(name)[0].url)
    judge = tool("promtool", package="prometheus")
    judged = subprocess.run(  # noqa: ASYNC221 - nothing else goes on
        [judge, "check", "metrics"], input=exposed, capture_output=True, text=True
    )
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")


async def test_every_series_is_there_from_the_start_however_many_tenants_and_webhooks_come(site: Site) -> None:
    """So no label can hold an id, a URL or an error's text."""
    assert await series(site.services) == site.at_start


async def test_a_service_exports_its_own_metrics_only(site: Site) -> None:
    exporters = {
        "dispatcher_events_accepted_total": {"ingest"},
        "dispatcher_events_fanned_out_total": {"fanout"},
        "dispatcher_attempts_total": {"delivery"},
        "dispatcher_queue_messages": {"scheduler"},
        "dispatcher_dependency_up": {"ingest", "fanout", "delivery", "scheduler", "api"},
    }
    for metric, expected in exporters.items():
        assert {name for name, found in site.at_start.items() if any(one == metric for one, _ in found)} == expected


@pytest.mark.parametrize("name", ["first_attempt", "delivered"])
async def test_no_delivery_is_later_than_the_time_since_its_publication(site: Site, name: str) -> None:
    exposed = await _exposed(site.services, site.services.of("delivery")[0].url)
    samples = [sample for family in text_string_to_metric_families(exposed) for sample in family.samples]
    metric = f"dispatcher_publish_to_{name}_seconds"
    count, total = (next(s.value for s in samples if s.name == metric + end) for end in ("_count", "_sum"))
    assert 0 < total < count * (time.time() - site.published)


@pytest.mark.parametrize("expression", [side for rule in rules() for side in sides(rule["expr"])])
async def test_what_a_rule_looks_at_is_there(site: Site, expression: str) -> None:
    await _has_numbers(site, expression)


@pytest.mark.parametrize("expression", [target["expr"] for target in targets()])
async def test_a_panel_of_the_dashboard_shows_something(site: Site, expression: str) -> None:
    await _has_numbers(site, expression)


async def _has_numbers(site: Site, expression: str) -> None:
    impatient = expression.replace("$__rate_interval", "5m").replace("[30m]", "[5m]")
    await until(lambda: site.judge.numbers(impatient), 15, lambda: f"nothing for {impatient}")
