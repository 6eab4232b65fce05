"""`status`, `doctor`, `load` and `migrate` on a site where everything runs."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio

from deploy.local.servers import Server
from tests.cluster import TENANT, Cluster, Receiver, cluster, environment, receiver, until
from tests.commands import Ended, ended, started
from tests.integration.patient import silent_ports
from tests.rabbitmqctl import rabbitmqctl


@dataclass
class Desk:
    """Where an operator sits, and an endpoint that gets the tenant's events."""

    site: Cluster
    endpoint: Receiver

    def environment(self, **settings: str) -> dict[str, str]:
        ports = {f"{service.name.upper()}_PORT": str(service.port) for service in self.site.services}
        ours = {"AMQP_URL": self.site.amqp_url, "MONGODB_URL": self.site.mongodb_url, **self.site.settings, **ports}
        return environment("", "", **{**ours, **settings})

    async def start(self, *arguments: str, **settings: str) -> asyncio.subprocess.Process:
        return await started(self.environment(**settings), *arguments)

    async def run(self, *arguments: str, **settings: str) -> Ended:
        return await ended(await self.start(*arguments, **settings))

    async def load(self, *arguments: str, **settings: str) -> Ended:
        return await self.run("load", *arguments, "--tenant", TENANT, "--json", **settings)

    def arrived(self, run: str) -> list[dict[str, str]]:
        """Deliveries of the events of a run: their data."""
        found = [json.loads(one.body)["data"] for one in self.endpoint.requests]
        return [data for data in found if f"_load_{run}_" in data.get("session_id", "")]

    async def published(self, run: str) -> int:
        return int(await self.site.db.events.count_documents({"event_id": {"$regex": f"^load_{run}_"}}))


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def desk(rabbitmq: Server, mongodb: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("site")
    async with cluster(folder, rabbitmq.url, mongodb.url) as site, receiver() as endpoint:
        await site.create_webhook(endpoint.url, event_types=["session.*"])
        yield Desk(site, endpoint)


async def test_a_site_that_is_well_is_said_to_be(desk: Desk) -> None:
    done = await desk.run("status")
    assert (done.code, done.err, done.out.splitlines()[-1]) == (0, "", "healthy"), done
    lines = [line.split() for line in done.out.splitlines()]
    assert ["delivery", "ready", desk.site.of("delivery")[0].url, "-"] in lines
    assert ["fanout", "0", "1"] in lines
    assert "dead letters: 0" in done.out
    doctor = await desk.run("doctor", ALLOW_HTTP="false", EGRESS_ALLOW="")
    found = [line for line in doctor.out.splitlines() if not line.startswith("ok ")]
    assert doctor.code == 0, doctor
    assert [line for line in found if "name server" not in line] == found[-1:], "what DNS says is this machine's"
    assert doctor.out.count("ready at http://127.0.0.1:") == 5


async def test_migrating_what_is_there_makes_nothing(desk: Desk) -> None:
    done = await desk.run("migrate", "--json")
    assert (done.code, done.json["made"], done.json["differs"]) == (0, [], [])
    assert "queue fanout" in done.json["there"]
    assert "index deliveries.due_at_1" in done.json["there"]


async def test_migrating_without_a_broker_says_so_in_one_line_and_makes_the_rest(desk: Desk) -> None:
    with silent_ports(1) as [gone]:
        done = await desk.run("migrate", AMQP_URL=f"amqp://guest:word@127.0.0.1:{gone}/")
    assert (done.code, done.out) == (1, "0 made, 32 were there, 0 differ\n")
    [line] = done.err.splitlines()
    assert line.startswith("dispatcher: RabbitMQ: ")
    assert "word" not in line


async def test_load_over_amqp_arrives_and_is_of_so_many_sessions(desk: Desk) -> None:
    done = await desk.load("60", "--per-second", "300", "--sessions", "5")
    assert (done.code, done.err) == (0, "")
    told = done.json
    assert (told["confirmed"], told["unknown"], told["stopped"]) == (60, 0, False)
    assert told["confirm_ms"]["p50"] <= told["confirm_ms"]["p99"]
    await until(lambda: len(desk.arrived(told["run"])) == 60, 30, desk.site.logs)
    assert len({data["session_id"] for data in desk.arrived(told["run"])}) == 5


async def test_load_through_ingest_arrives(desk: Desk) -> None:
    done = await desk.load("20", "--http", "--per-second", "100", "--event", "session.completed")
    assert (done.code, done.json["confirmed"]) == (0, 20), done
    await until(lambda: len(desk.arrived(done.json["run"])) == 20, 30, desk.site.logs)


async def test_commands_find_services_where_these_listen(desk: Desk) -> None:
    listed = await desk.run("webhooks", "list", "--json")
    assert (listed.code, len(listed.json["webhooks"])) == (0, 1), listed
    data = '{"session_id": "s", "package_id": "p", "user_id": "u"}'
    event = ("--event", "session.created", "--tenant", TENANT, "--data", data)
    published = await desk.run("events", "publish", *event, "--json")
    assert (published.code, len(published.json["accepted"])) == (0, 1), published


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["10", "--event", "session.deleted"], 2, "--event: 'session.deleted' is none of package.processing.completed"),
        (["1000000", "--per-second", "1"], 2, "take more than a day"),
        (["10", "--http", "--ingest-url", "nowhere"], 2, "--ingest-url: an address such as"),
        (["10", "--http", "--ingest-url", "http://127.0.0.1:1"], 1, "ingest at http://127.0.0.1:1 is unreachable"),
    ],
)
async def test_load_that_makes_no_sense_is_refused(desk: Desk, arguments: list[str], code: int, words: str) -> None:
    done = await desk.run("load", *arguments, "--tenant", TENANT)
    assert (done.code, done.out) == (code, "")
    assert words in done.err


async def test_load_that_ingest_refuses_ends_with_its_words(desk: Desk) -> None:
    done = await desk.load("50", "--http", ADMIN_KEY="scorm_nobody-has-this-key")
    assert (done.code, done.json["confirmed"]) == (1, 0)
    assert "answered 401" in done.json["failure"]
    assert "nobody-has-this-key" not in done.out + done.err


async def test_load_that_is_stopped_tells_what_was_published(desk: Desk) -> None:
    before = len(desk.endpoint.requests)
    process = await desk.start("load", "100000", "--per-second", "40", "--tenant", TENANT, "--json")
    await until(lambda: len(desk.endpoint.requests) > before + 10, 30, desk.site.logs)
    process.send_signal(signal.SIGINT)
    done = await ended(process)
    told = done.json
    assert (done.code, told["stopped"]) == (130, True)
    assert 10 < told["confirmed"] < 100_000

    async def all_published() -> bool:
        return told["confirmed"] <= await desk.published(told["run"]) <= told["confirmed"] + told["unknown"]

    await until(all_published, 30, desk.site.logs)


@asynccontextmanager
async def alarm(broker: Server) -> AsyncIterator[None]:
    """RabbitMQ takes no publishes."""
    await rabbitmqctl(broker, "set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        await rabbitmqctl(broker, "set_vm_memory_high_watermark", "0.4")


async def test_load_waits_while_the_broker_takes_nothing_and_then_goes_on(desk: Desk, rabbitmq: Server) -> None:
    async with alarm(rabbitmq):
        process = await desk.start(
            "load", "60", "--per-second", "60", "--tenant", TENANT, "--json", PUBLISH_TIMEOUT_SECONDS="1"
        )
        assert process.stderr
        async with asyncio.timeout(30):
            assert b"waiting, as nothing is confirmed" in await process.stderr.readline()
        doctor = await desk.run("doctor", ALLOW_HTTP="false", EGRESS_ALLOW="")
        assert "failed       broker publishes: nothing was confirmed within 3 s" in doctor.out
        assert "rabbitmq-diagnostics alarms" in doctor.out
    done = await ended(process)
    assert (done.code, done.json["confirmed"]) == (0, 60)
    assert done.json["pauses"] >= 1
    await until(lambda: len(desk.arrived(done.json["run"])) == 60, 60, desk.site.logs)
    assert await desk.published(done.json["run"]) == 60


async def test_status_is_watched_until_ctrl_c(desk: Desk) -> None:
    process = await desk.start("status", "--watch", "--json", "--every", "0.2")
    assert process.stdout
    async with asyncio.timeout(30):
        looks = [json.loads(await process.stdout.readline()) for _ in range(3)]
    process.send_signal(signal.SIGINT)
    assert (await ended(process)).code == 130
    assert [one["healthy"] for one in looks] == [True] * 3


async def test_what_cannot_be_asked_is_said_and_the_rest_is_shown(desk: Desk) -> None:
    with silent_ports(1) as [gone]:
        done = await desk.run(
            *("status", "--json", "--service", f"api=http://127.0.0.1:{gone}"),
            *("--service", f"ingest={desk.site.of('api')[0].url}"),
            AMQP_URL=f"amqp://guest:word@127.0.0.1:{gone}/",
        )
        url = f"mongodb://127.0.0.1:{gone}/?replicaSet=rs0"
        away = await desk.run("status", MONGODB_URL=url, STORE_TIMEOUT_SECONDS="1")
    states = {one["service"]: (one["state"], one["detail"]) for one in done.json["services"]}
    assert (done.code, done.json["healthy"], done.json["queues"]) == (1, False, None)
    assert states["api"][0] == "unreachable"
    assert states["ingest"] == ("something else", "it is api")
    assert states["scheduler"] == ("ready", None)
    assert done.json["store"]["dead_letters"] == 0
    assert "word" not in done.out + done.err
    assert (away.code, away.out.splitlines()[-1]) == (1, "unhealthy")
    assert "trouble: MongoDB: " in away.out
    assert "Topology" not in away.out


async def test_a_service_that_died_is_a_trouble(desk: Desk) -> None:
    [fanout] = desk.site.of("fanout")
    fanout.kill()
    try:

        async def unhealthy() -> bool:
            done = await desk.run("status", "--json")
            assert done.code == 1
            troubles = done.json["troubles"]
            assert any(one.startswith("fanout is unreachable") for one in troubles)
            return "nobody takes from the queue fanout" in troubles

        await until(unhealthy, 30)
        doctor = await desk.run("doctor", "--service", f"fanout={fanout.url}")
        assert doctor.code == 1
        assert f"failed       service fanout: no answer at {fanout.url}" in doctor.out
    finally:
        fanout.start()
        await desk.site.ready()
