"""What tests and `make run` rely on in local servers, for each kind that this machine can run."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from deploy.local.download import PROJECT
from deploy.local.errors import FolderInUse, NoServers, ServerFailed
from deploy.local.folder import claimed
from deploy.local.processes import PIDS, start_time
from deploy.local.progress import silent
from deploy.local.readiness import answers_amqp, free_port
from deploy.local.servers import Kind, Server, Servers, Supplier, find_supplier, local_servers
from tests.servers import chosen_kind, private_servers_in

BODY = b"keep me"
# RabbitMQ 3.10 writes a new quorum queue's name to disk half a second late; killed before, it has no leader ever after.
QUEUE_ON_DISK_SECONDS = 1.0
KINDS: tuple[Kind, ...] = ("native", "docker")


@pytest.fixture(scope="module", params=KINDS)
def supplier(request: pytest.FixtureRequest) -> Supplier:
    kind: Kind = request.param
    if chosen_kind() not in (kind, "auto"):
        pytest.skip(f"DISPATCHER_TEST_SERVERS={chosen_kind()}")
    try:
        return find_supplier(kind, silent)
    except NoServers as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def servers(supplier: Supplier, servers_folder: Path) -> Iterator[Servers]:
    with private_servers_in(servers_folder, supplier) as private:
        yield private.both()


def port_of(server: Server) -> int:
    return int(server.url.split("127.0.0.1:")[1].split("/")[0])


async def publish(url: str, queue: str) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(BODY, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue, mandatory=True, timeout=10)


async def fetch(url: str, queue: str) -> bytes:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, passive=True)
        message = await declared.get(timeout=10)
        await message.ack()
        return message.body


def client(url: str, **options: Any) -> MongoClient[dict[str, Any]]:
    return MongoClient(url, serverSelectionTimeoutMS=5000, **options)


async def test_the_broker_keeps_port_and_messages_through_kill_and_restart(servers: Servers) -> None:
    before = servers.rabbitmq.url
    await publish(before, "killed")
    await asyncio.sleep(QUEUE_ON_DISK_SECONDS)
    servers.rabbitmq.kill()
    assert not answers_amqp(port_of(servers.rabbitmq))
    servers.rabbitmq.restart()
    assert servers.rabbitmq.url == before
    assert await fetch(before, "killed") == BODY


async def test_the_broker_keeps_messages_through_a_clean_restart(servers: Servers) -> None:
    await publish(servers.rabbitmq.url, "restarted")
    servers.rabbitmq.restart()
    assert await fetch(servers.rabbitmq.url, "restarted") == BODY


def test_a_paused_broker_is_silent_and_answers_when_resumed(servers: Servers) -> None:
    port = port_of(servers.rabbitmq)
    servers.rabbitmq.pause()
    try:
        assert not answers_amqp(port)
    finally:
        servers.rabbitmq.resume()
    assert answers_amqp(port)


def test_the_database_keeps_port_and_documents_through_kill_and_restart(servers: Servers) -> None:
    before = servers.mongodb.url
    with client(before) as mongo:
        mongo["test"].get_collection("kept").insert_one({"_id": "a"})
    servers.mongodb.kill()
    with client(before, timeoutMS=1000) as mongo, pytest.raises(PyMongoError):
        mongo.admin.command("ping")
    servers.mongodb.restart()
    assert servers.mongodb.url == before
    with client(before) as mongo:
        assert mongo["test"]["kept"].find_one() == {"_id": "a"}


def test_the_database_offers_transactions_and_change_streams(servers: Servers) -> None:
    with client(servers.mongodb.url) as mongo:
        things = mongo["test"]["things"]
        things.insert_one({"_id": 0})
        with things.watch() as changes:
            with mongo.start_session() as session, session.start_transaction():
                things.insert_one({"_id": 1}, session=session)
            assert next(changes)["documentKey"] == {"_id": 1}


def test_a_paused_database_is_silent_and_answers_when_resumed(servers: Servers) -> None:
    with client(servers.mongodb.url, timeoutMS=1000) as mongo:
        mongo.admin.command("ping")
        servers.mongodb.pause()
        try:
            with pytest.raises(PyMongoError):
                _ping_for_seconds(mongo)
        finally:
            servers.mongodb.resume()
    with client(servers.mongodb.url) as mongo:
        assert mongo.admin.command("hello")["isWritablePrimary"]


def _ping_for_seconds(mongo: MongoClient[dict[str, Any]]) -> None:
    """A stopped process's threads stop one by one: a busy machine may see a last answer."""
    for _ in range(100):
        mongo.admin.command("ping")
        time.sleep(0.05)


def test_nothing_listens_beyond_this_machine(servers: Servers) -> None:
    address = _outward_address()
    for server in (servers.rabbitmq, servers.mongodb):
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((address, port_of(server))) != 0


def _outward_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation range: chooses a route, sends nothing
        except OSError:
            pytest.skip("this machine has no address beyond loopback")
        return str(probe.getsockname()[0])


def test_stop_is_harmless_when_repeated_paused_or_killed(supplier: Supplier, servers_folder: Path) -> None:
    with private_servers_in(servers_folder, supplier) as private:
        database = private.mongodb()
        database.pause()
        database.stop()
        database.stop()
        database.kill()
        database.start()
        with client(database.url) as mongo:
            assert mongo.admin.command("ping")


def test_data_outlive_a_run_though_the_ports_change(supplier: Supplier, tmp_path: Path) -> None:
    if supplier.kind == "docker":
        pytest.skip("a container's data end with it")
    for run in (1, 2):
        with local_servers(tmp_path, kind=_kind(supplier), progress=silent) as both, client(both.mongodb.url) as mongo:
            mongo["test"]["runs"].insert_one({"_id": run})
            assert mongo["test"]["runs"].count_documents({}) == run


def test_a_run_killed_at_once_leaves_nothing_after_the_next(supplier: Supplier, tmp_path: Path) -> None:
    with _start_owner(tmp_path, _kind(supplier)) as owner:
        first = _amqp_port(owner)
        owner.kill()
    assert answers_amqp(first), "a server outlives its killed owner: that is what the next run must end"
    with local_servers(tmp_path, kind=_kind(supplier), progress=silent):
        assert not answers_amqp(first)
    assert running_in(tmp_path) == []


def test_a_folder_has_one_owner(servers_folder: Path) -> None:
    with claimed(servers_folder / "mine"), pytest.raises(FolderInUse, match="already running"):
        claimed(servers_folder / "mine").__enter__()


def test_ending_leaves_no_process_not_even_epmd(tmp_path: Path) -> None:
    _native_or_skip()
    with local_servers(tmp_path, kind="native", progress=silent):
        names = {line.split()[3] for line in (tmp_path / PIDS).read_text().splitlines()}
        assert names == {"rabbitmq-epmd", "rabbitmq-node", "mongodb"}
        assert len(running_in(tmp_path)) >= 3
    assert running_in(tmp_path) == []


def test_killing_the_broker_takes_its_helpers_along(tmp_path: Path) -> None:
    supplier = _native_or_skip()
    with private_servers_in(tmp_path, supplier) as private:
        broker = private.rabbitmq()
        broker.kill()
        deadline = time.monotonic() + 5
        while (alive := commands_in(tmp_path, "erl_child_setup")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert alive == []


def test_a_leftover_is_known_by_its_start_time_too(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        (tmp_path / PIDS).write_text(f"{boot} {bystander.pid} 1 rabbitmq-node\n")
        with claimed(tmp_path):
            assert start_time(bystander.pid) is not None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    supplier = _native_or_skip()
    database = supplier.mongodb(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port_of(database)))
        taken.listen()
        with pytest.raises(ServerFailed, match=r"(?s)mongod\.log:.*already in use"):
            database.start()
    database.stop()


def test_a_free_port_lies_outside_the_range_of_outgoing_connections() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < first_outgoing for _ in range(50)) or first_outgoing < 11_000


def _native_or_skip() -> Supplier:
    if chosen_kind() == "docker":
        pytest.skip("DISPATCHER_TEST_SERVERS=docker")
    try:
        return find_supplier("native", silent)
    except NoServers as reason:
        pytest.skip(str(reason))


def _kind(supplier: Supplier) -> Kind:
    return "native" if supplier.kind == "native" else "docker"


OWNER = """
import sys, time
from pathlib import Path
from deploy.local.progress import silent
from deploy.local.servers import local_servers
with local_servers(Path(sys.argv[1]), kind=sys.argv[2], progress=silent) as servers:
    print(servers.rabbitmq.url, flush=True)
    time.sleep(600)
"""


def _start_owner(folder: Path, kind: Kind) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), kind], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )


def _amqp_port(owner: subprocess.Popen[str]) -> int:
    assert owner.stdout is not None
    line = owner.stdout.readline()
    return int(line.rpartition(":")[2].strip().rstrip("/"))


def running_in(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder in them or in their environment."""
    return [command for command, text in _processes() if str(folder) in text]


def commands_in(folder: Path, name: str) -> list[str]:
    return [command for command in running_in(folder) if name in command]


def _processes() -> Iterator[tuple[str, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and start_time(int(entry.name)):
            try:
                command = (entry / "cmdline").read_text(errors="replace").replace("\0", " ")
                yield command, command + (entry / "environ").read_text(errors="replace")
            except OSError:
                continue  # ended meanwhile, or another user's
