"""`make up`, and what happens when its containers are stopped under load."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession

from deploy.compose.distant import DistantEndpoint
from deploy.compose.project import Project
from deploy.local.download import PROJECT
from deploy.local.readiness import free_port
from services.health import SERVICES
from shared.contracts.event_types import GUIDE_TYPES
from tests.cluster import ADMIN_KEY, until
from tests.containers.docker import docker, inspected, is_well
from tests.faults.load import Load

NAME = "webhook-dispatcher-tests"
TENANT = "tenant-of-the-load"
EVENT_TYPE = "session.created"
MORE_EVENTS = 50  # accepted before the next fault
SERVERS = ("rabbitmq", "mongo")


@pytest.fixture(scope="module")
def project(image: str, compose: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Nothing of an earlier run is in it, and nothing of it is left."""
    with pytest.MonkeyPatch.context() as patch:
        for port in ("DISPATCHER_API_PORT", "DISPATCHER_INGEST_PORT", "RABBITMQ_PORT", "SAMPLE_PORT"):
            patch.setenv(port, str(free_port()))
        patch.setenv("DISPATCHER_ADMIN_KEY", ADMIN_KEY)
        patch.setenv("SAMPLE_NETWORK", "10.213.8.0/24")
        made = Project(tmp_path_factory.mktemp("site") / "compose", NAME)
        made.compose("down", "--volumes")
        try:
            yield made
        finally:
            made.compose("down", "--volumes")


@pytest.fixture(scope="module")
def said_by_up(project: Project) -> str:
    """What `make up` printed; the site is up from now on."""
    command = [sys.executable, "-m", "deploy.compose", "up", "--folder", str(project.folder.parent), "--project", NAME]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


async def test_up_delivers_one_event_of_each_type_as_the_sample_itself_tells(said_by_up: str, project: Project) -> None:
    async with ClientSession() as http, http.get(project.url("sample") + "/arrivals") as response:
        arrivals = (await response.json())["arrivals"]
    assert sorted(arrival["event"] for arrival in arrivals if arrival["verified"]) == sorted(GUIDE_TYPES)
    assert all(line in said_by_up for line in (project.url("api") + "/dashboard", project.url("ingest"), ADMIN_KEY))


def test_up_leaves_what_scripts_need_to_its_owner_alone(said_by_up: str, project: Project) -> None:
    env = project.folder.parent / "env"
    assert env.stat().st_mode & 0o777 == 0o600
    told = dict(line.split("=", 1) for line in env.read_text().splitlines())
    assert told == {
        "DISPATCHER_AMQP_URL": project.amqp_url,
        "DISPATCHER_API_URL": project.url("api"),
        "DISPATCHER_INGEST_URL": project.url("ingest"),
        "DISPATCHER_ADMIN_KEY": ADMIN_KEY,
    }


@pytest.mark.usefixtures("said_by_up")
@pytest.mark.parametrize("command", ["status", "doctor"])
def test_operators_commands_find_all_well_from_within(command: str) -> None:
    assert json.loads(docker("exec", f"{NAME}-api-1", "python", "-m", "services", "cli", command, "--json"))


@dataclass
class Account:
    """What the sample endpoint was sent of the load."""

    endpoint: DistantEndpoint
    arrived: set[str] = field(default_factory=set)
    unverified: int = 0

    async def read_on(self) -> None:
        while True:
            arrival = await self.endpoint.next_arrival()
            self.arrived.add(arrival.delivery_id)
            self.unverified += not arrival.verified


@asynccontextmanager
async def reading(project: Project) -> AsyncIterator[Account]:
    async with ClientSession() as http:
        account = Account(DistantEndpoint(http, project.url("sample")))
        await account.endpoint.start()
        reader = asyncio.create_task(account.read_on())
        try:
            yield account
        finally:
            reader.cancel()


async def subscribed(project: Project) -> str:
    """The id of a webhook that leads to the sample endpoint."""
    wanted = {
        "tenant_id": TENANT,
        "url": DistantEndpoint.url,
        "event_type": EVENT_TYPE,
        "secret": project.sample_secret,
    }
    headers = {"X-API-Key": ADMIN_KEY}
    async with (
        ClientSession(headers=headers) as http,
        http.post(project.url("api") + "/api/v1/webhooks", json=wanted) as response,
    ):
        assert response.status == 201, await response.text()
        return str((await response.json())["id"])


@pytest.mark.usefixtures("said_by_up")
async def test_stopping_one_container_after_the_other_under_load_loses_nothing(project: Project) -> None:
    webhooks = {EVENT_TYPE: await subscribed(project)}
    load = Load(project.amqp_url, project.url("ingest"), TENANT, webhooks, group=5)
    async with reading(project) as account:
        async with load.running():
            for service in (*SERVICES, *SERVERS):
                await more_accepted(load)
                container = f"{NAME}-{service}-1"
                await asyncio.to_thread(docker, "stop", container)
                assert inspected("container", container)["State"]["ExitCode"] == 0, docker("logs", container)
                await asyncio.to_thread(docker, "start", container)
                await until(lambda one=container: is_well(one), 90, lambda: docker("ps", "--all"), every=0.3)
            await more_accepted(load)
        await until(
            lambda: account.arrived >= load.accepted, 90, lambda: f"{len(load.accepted - account.arrived)} lost"
        )
    assert account.arrived == load.accepted
    assert account.unverified == 0
    assert len(load.accepted) > MORE_EVENTS * len((*SERVICES, *SERVERS))


async def more_accepted(load: Load) -> None:
    before = len(load.accepted)
    await until(lambda: len(load.accepted) >= before + MORE_EVENTS, 60, lambda: str(load.failed))
