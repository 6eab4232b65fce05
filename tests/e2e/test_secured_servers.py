"""RabbitMQ behind TLS on a virtual host, MongoDB with TLS, a user and an address of a replica set."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.download import fetch, native_copies_are_possible
from deploy.local.folder import claimed
from deploy.local.progress import TerminalProgress
from deploy.local.servers import ServerUrls
from tests.certificates import Authority
from tests.cluster import SESSION, TENANT, Cluster, ServiceProcess, cluster, environment, free_port, receiver, until
from tests.secured import DATABASE, PASSWORD, VHOST, secured_servers


@pytest.fixture(scope="module")
def secured(servers_folder: Path) -> Iterator[ServerUrls]:
    if not native_copies_are_possible():
        pytest.skip("the secured servers are native copies, which need Linux x86-64 with apt")
    folder = servers_folder / "secured"
    folder.mkdir()
    with claimed(folder) as data, secured_servers(fetch(TerminalProgress()), data, Authority()) as urls:
        yield urls


@pytest.fixture
async def services(secured: ServerUrls, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path, secured.amqp, secured.mongodb, MONGODB_DATABASE=DATABASE) as made:
        yield made


async def test_a_delivery_goes_through_servers_with_tls_users_a_virtual_host_and_a_member_away(
    services: Cluster,
) -> None:
    async with receiver() as endpoint:
        await services.create_webhook(endpoint.url)
        event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
        async with services.http.post(services.ingest + "/api/v1/events", json=event) as answer:
            assert answer.status == 202, await answer.text()
        await until(lambda: endpoint.requests, 20, services.logs)
    assert json.loads(endpoint.requests[0].body)["data"] == SESSION


async def _says(service: ServiceProcess, words: str) -> str:
    """What the service wrote when it wrote that; it is killed."""
    service.start()
    try:
        await until(lambda: words in service.log.read_text(), 30, service.log.read_text)
    finally:
        if service.alive():
            service.kill()
    return service.log.read_text()


def _service(name: str, tmp_path: Path, amqp: str, mongodb: str) -> ServiceProcess:
    port = free_port()
    settings = {"MONGODB_DATABASE": DATABASE, f"{name.upper()}_PORT": str(port)}
    return ServiceProcess(name, environment(amqp, mongodb, **settings), tmp_path / "log", port)


async def test_a_broker_whose_certificate_nobody_vouches_for_is_told_and_not_used(
    secured: ServerUrls, tmp_path: Path
) -> None:
    trusting_nobody = secured.amqp.partition("?")[0]
    said = await _says(_service("ingest", tmp_path, trusting_nobody, secured.mongodb), "CERTIFICATE_VERIFY_FAILED")
    assert PASSWORD not in said


async def test_a_virtual_host_that_is_not_there_is_told(secured: ServerUrls, tmp_path: Path) -> None:
    elsewhere = secured.amqp.replace("learning%2Fprod", "nowhere")
    assert VHOST == "learning/prod"
    service = _service("ingest", tmp_path, elsewhere, secured.mongodb)
    said = await _says(service, "refuses virtual host 'nowhere'")
    assert PASSWORD not in said


async def test_a_password_that_the_broker_refuses_is_told(secured: ServerUrls, tmp_path: Path) -> None:
    refused = secured.amqp.replace("p%40ss", "another")
    said = await _says(_service("ingest", tmp_path, refused, secured.mongodb), "refuses user 'dispatcher'")
    assert "another" not in said


async def test_a_database_whose_certificate_nobody_vouches_for_is_told_and_not_used(
    secured: ServerUrls, tmp_path: Path
) -> None:
    trusting_nobody = secured.mongodb.partition("&tlsCAFile")[0]
    said = await _says(_service("api", tmp_path, secured.amqp, trusting_nobody), "certificate verify failed")
    assert PASSWORD not in said


async def test_a_password_that_the_database_refuses_ends_the_service_with_one_line(
    secured: ServerUrls, tmp_path: Path
) -> None:
    refused = secured.mongodb.replace("p%40ss", "another")
    service = _service("api", tmp_path, secured.amqp, refused)
    service.start()
    await until(lambda: not service.alive(), 30, service.log.read_text)
    assert service.process
    assert service.process.returncode == 2
    said = service.log.read_text()
    assert said.endswith("api: DISPATCHER_MONGODB_URL: Authentication failed.\n")
    assert "Traceback" not in said
    assert "another" not in said
