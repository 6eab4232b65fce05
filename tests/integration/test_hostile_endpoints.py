"""Endpoints that misbehave cost themselves an attempt, and nobody else anything."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.local.servers import Server
from services.delivery.outcome import classify
from shared.network import Network
from shared.settings import EgressSettings
from tests.certificates import Authority, serving
from tests.cluster import SESSION, TENANT, Cluster, Receiver, cluster, receiver, until
from tests.integration.endpoints import endpoint, sending
from tests.integration.hostile import HOSTILE, Hostile

NAMES = sorted(HOSTILE)
ROUNDS = 3
MOST_GROWTH_BYTES = 20 * 1024 * 1024
_AUTHORITY = Authority()


def _tls(case: Hostile, folder: Path) -> ssl.SSLContext | None:
    return serving(_AUTHORITY.sign(*case.tls, days=case.days), folder) if case.tls else None


@asynccontextmanager
async def listening(case: Hostile, folder: Path) -> AsyncIterator[str]:
    """Answers its URL."""
    async with endpoint(case.talk, _tls(case, folder)) as port:
        yield f"https://localhost:{port}/" if case.tls else f"http://127.0.0.1:{port}/"


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    path.write_bytes(_AUTHORITY.pem)
    return path


@pytest.mark.parametrize("name", NAMES)
async def test_a_hostile_endpoint_is_a_failed_attempt_of_its_own_kind(name: str, tmp_path: Path, ca_file: Path) -> None:
    case = HOSTILE[name]
    network = Network.of(EgressSettings(egress_ca_file=str(ca_file)))
    async with listening(case, tmp_path) as url, sending(limit=3, network=network) as sender:
        answer = await sender.post(url, b"{}" * 50_000, {})
    told = classify(answer, datetime.now(UTC))
    assert (told.error, case.words in str(told.detail)) == (case.kind, True), told
    assert len(answer.body) <= 1024


async def test_a_worker_survives_them_all_at_once(
    tmp_path: Path, ca_file: Path, rabbitmq: Server, mongodb: Server
) -> None:
    """Each fails as it should, the worker's memory grows little, and the healthy endpoint gets everything."""
    settings = {"ATTEMPT_TIMEOUT_SECONDS": "3", "EGRESS_CA_FILE": str(ca_file), "EGRESS_ALLOW": "127.0.0.0/8, ::1/128"}
    async with cluster(tmp_path, rabbitmq.url, mongodb.url, **settings) as services, receiver() as healthy:
        quiet = await services.create_webhook(healthy.url)
        await _publish(services, "before", ROUNDS)
        await until(lambda: len(healthy.requests) == ROUNDS, 20, services.logs)
        worker = psutil.Process(services.of("delivery")[0].pid)
        before = worker.memory_info().rss
        async with AsyncExitStack() as stack:
            hooks = {name: await _subscribe(services, stack, name, tmp_path) for name in NAMES}
            await _publish(services, "hostile", ROUNDS)
            most = await _highest(worker, services, hooks, healthy)
        told = {name: await services.deliveries(hook) for name, hook in hooks.items()}
        assert {name: {d["attempts"][0]["error"] for d in found} for name, found in told.items()} == {
            name: {HOSTILE[name].kind.value} for name in NAMES
        }
        assert all(d["attempts"][0]["advice"] for found in told.values() for d in found)
        assert {d["status"] for d in await services.deliveries(quiet["id"])} == {"succeeded"}
        grown = most - before
        print(f"memory: {before >> 20} MiB before, at most {grown >> 10} KiB more")
        assert grown < MOST_GROWTH_BYTES


async def _subscribe(services: Cluster, stack: AsyncExitStack, name: str, folder: Path) -> str:
    url = await stack.enter_async_context(listening(HOSTILE[name], folder))
    webhook = await services.create_webhook(url, max_attempts=1, description=name)
    return str(webhook["id"])


async def _publish(services: Cluster, name: str, times: int) -> None:
    events = [
        {"event": "session.created", "tenant_id": TENANT, "data": SESSION, "event_id": f"{name}-{number}"}
        for number in range(times)
    ]
    async with services.http.post(services.ingest + "/api/v1/events", json=events) as response:
        assert response.status == 202, await response.text()


async def _highest(worker: psutil.Process, services: Cluster, hooks: dict[str, str], healthy: Receiver) -> int:
    """The most memory that the worker had until all deliveries had ended."""
    most = 0

    async def all_ended() -> bool:
        nonlocal most
        most = max(most, worker.memory_info().rss)
        found: list[list[dict[str, Any]]] = [await services.deliveries(hook, status="dead") for hook in hooks.values()]
        return len(healthy.requests) == 2 * ROUNDS and all(len(deliveries) == ROUNDS for deliveries in found)

    await until(all_ended, 120, services.logs)
    return max(most, worker.memory_info().rss)
