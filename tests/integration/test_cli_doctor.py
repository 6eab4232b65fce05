"""`doctor` on a site that is broken in one way: it names the fault alone, and what it advises cures it."""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import pytest
import pytest_asyncio

from deploy.local.mongodb import NativeMongoDB, is_writable_primary
from deploy.local.readiness import accepts_connections
from deploy.local.servers import Server
from services.cli.checks.finding import State
from services.cli.readiness import SERVICES
from shared.broker.connection import connect, declare
from shared.broker.topology import BULK, EXCHANGES, FANOUT, PARKED, QUEUES
from shared.store.secrets import SecretBox, new_entry
from shared.store.webhooks import Webhooks
from tests.certificates import Authority, serving
from tests.cluster import SECRET_KEYS, until
from tests.commands import ended, started
from tests.integration.nameserver import nameserver
from tests.integration.patient import Patient, broker_commands, only, our_commands, silent_ports, well
from tests.integration.test_cli import made
from tests.integration.test_store import opened
from tests.rabbitmqctl import rabbitmqctl
from tests.tools import unpacked


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def healthy(rabbitmq: Server, mongodb: Server) -> AsyncIterator[tuple[dict[str, str], Any]]:
    """A site without services: settings, and its database."""
    connection = await connect(rabbitmq.url, "test")
    async with connection:
        await declare(connection)
        channel = await connection.channel()
        for queue in QUEUES:
            await (await channel.get_queue(queue.name)).purge()
    known = {"example.com": [["198.20.0.1"]]}
    async with opened(mongodb.url) as mongo, nameserver(known) as dns, AsyncExitStack() as stack:
        ports = stack.enter_context(silent_ports(len(SERVICES)))
        settings = {
            "AMQP_URL": rabbitmq.url,
            "MONGODB_URL": mongodb.url,
            "MONGODB_DATABASE": mongo.db.name,
            "STORE_TIMEOUT_SECONDS": "3",
            "DNS_SERVERS": dns.address,
            "EGRESS_ALLOW": "",
            "ALLOW_HTTP": "false",
            **{f"{name.upper()}_PORT": str(port) for name, port in zip(SERVICES, ports, strict=True)},
        }
        yield settings, mongo.db


@pytest.fixture
def patient(healthy: tuple[dict[str, str], Any], monkeypatch: pytest.MonkeyPatch) -> Patient:
    return Patient(healthy[0], monkeypatch, healthy[1])


@asynccontextmanager
async def channel_of(patient: Patient, **changes: str) -> AsyncIterator[Any]:
    async with await aio_pika.connect({**patient.settings, **changes}["AMQP_URL"]) as connection:
        yield await connection.channel()


def at(patient: Patient, name: str, **parts: str) -> str:
    """One of its servers' URLs with another part."""
    url = urlsplit(patient.settings[name])
    return url._replace(**parts).geturl()


async def test_nothing_is_wrong_with_a_site_that_is_well(patient: Patient) -> None:
    await patient.is_well()


async def test_a_broker_that_is_away(patient: Patient) -> None:
    with silent_ports(1) as [port]:
        found = {one.check: one for one in await patient.examined(AMQP_URL=f"amqp://u:word@127.0.0.1:{port}/")}
    assert found["broker"].state is State.FAILED
    assert f"no answer from 127.0.0.1:{port}/" in found["broker"].found
    assert str(found["broker"].remedy).startswith("start RabbitMQ")
    assert found["broker queues"].state is State.UNCHECKED
    assert found["store indexes"].state is State.OK
    assert "word" not in repr(found)


async def test_a_wrong_password_of_the_broker(patient: Patient) -> None:
    host = urlsplit(patient.settings["AMQP_URL"]).netloc.rpartition("@")[2]
    fault = only("broker", await patient.told(AMQP_URL=f"amqp://guest:wrong-word@{host}/"))
    assert "refuses the user 'guest' with this password" in fault.found
    assert str(fault.remedy).startswith("rabbitmqctl change_password guest PASSWORD")
    assert "wrong-word" not in repr(fault)


async def test_a_virtual_host_that_is_missing_then_empty_then_wrong(patient: Patient, rabbitmq: Server) -> None:
    url = at(patient, "AMQP_URL", path=f"/doctor-{os.getpid()}")
    fault = only("broker", await patient.told(AMQP_URL=url))
    assert f"the virtual host 'doctor-{os.getpid()}' does not exist" in fault.found
    for command in broker_commands(fault):
        await rabbitmqctl(rabbitmq, *command)

    faults = await patient.faults(AMQP_URL=url)
    assert len(faults) == len(QUEUES) + len(EXCHANGES)
    [command] = {tuple(*our_commands(fault)) for fault in faults.values()}
    assert (await patient.run(*command, AMQP_URL=url)).code == 0
    await patient.is_well(AMQP_URL=url)

    async with channel_of(patient, AMQP_URL=url) as channel:
        await channel.queue_delete(FANOUT)
        await channel.declare_queue(FANOUT, durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"{}"), FANOUT)
    faults = await patient.faults(AMQP_URL=url)
    assert set(faults) == {"broker queue fanout", "broker consumers"}
    fault = faults["broker queue fanout"]
    assert "has other arguments: PRECONDITION_FAILED - inequivalent arg" in fault.found
    assert "let it run empty, as 1 messages are in it" in str(fault.remedy)
    refused = await patient.run("migrate", AMQP_URL=url)
    assert refused.code == 1
    assert "queue fanout differs: PRECONDITION_FAILED" in refused.err
    for command in broker_commands(fault):
        await rabbitmqctl(rabbitmq, *command)
    for command in our_commands(fault):
        assert (await patient.run(*command, AMQP_URL=url)).code == 0
    await patient.is_well(AMQP_URL=url)


async def test_a_queue_that_is_missing(patient: Patient) -> None:
    async with channel_of(patient) as channel:
        await channel.queue_delete(BULK)
    fault = await patient.only_fault(f"broker queue {BULK}")
    assert fault.found == "is missing"
    [command] = our_commands(fault)
    done = await patient.run(*command)
    assert (done.code, done.out.splitlines()[0]) == (0, f"made queue {BULK}")
    await patient.is_well()


async def test_a_queue_of_a_former_version_is_no_fault_and_is_told(patient: Patient) -> None:
    [earlier] = [queue.earlier for queue in QUEUES if queue.name == PARKED]
    async with channel_of(patient) as channel:
        await channel.queue_delete(PARKED)
        await channel.declare_queue(PARKED, durable=True, arguments=earlier)
    try:
        found = {one.check: one for one in await patient.examined()}
        assert found["broker queue parked"].state is State.WARNING
        assert "of a former version" in found["broker queue parked"].found
    finally:
        async with channel_of(patient) as channel:
            await channel.queue_delete(PARKED)
        assert (await patient.run("migrate")).code == 0
    await patient.is_well()


async def test_messages_that_nobody_takes(patient: Patient) -> None:
    async with channel_of(patient) as channel:
        await channel.default_exchange.publish(aio_pika.Message(b"{}"), BULK)
    try:
        fault = await patient.only_fault("broker consumers")
        assert fault.found == f"1 messages wait in {BULK}, and nobody takes them"
        assert fault.remedy == "start python -m services.delivery"
    finally:
        async with channel_of(patient) as channel:
            await (await channel.get_queue(BULK)).purge()


async def test_a_database_that_is_away(patient: Patient) -> None:
    with silent_ports(1) as [port]:
        url = f"mongodb://u:word@127.0.0.1:{port}/?replicaSet=rs0"
        found = {one.check: one for one in await patient.examined(MONGODB_URL=url)}
    assert found["store"].state is State.FAILED
    assert "Connection refused" in found["store"].found
    assert "Topology" not in found["store"].found
    assert str(found["store"].remedy).startswith("start MongoDB")
    for check in ("store indexes", "clock", "stored secrets"):
        assert found[check].state is State.UNCHECKED
    assert found["broker queues"].state is State.OK
    assert "word" not in repr(found)


async def test_a_wrong_password_of_the_database(patient: Patient) -> None:
    host = urlsplit(patient.settings["MONGODB_URL"]).netloc
    fault = await patient.only_fault("store", MONGODB_URL=f"mongodb://user:wrong-word@{host}/?replicaSet=rs0")
    assert "Authentication failed" in fault.found
    assert "DISPATCHER_MONGODB_URL" in str(fault.remedy)
    assert "wrong-word" not in repr(fault)


async def test_the_name_of_another_replica_set(patient: Patient) -> None:
    fault = await patient.only_fault("store", MONGODB_URL=at(patient, "MONGODB_URL", query="replicaSet=other"))
    assert "is no member of a replica set 'other'" in fault.found
    assert "?replicaSet=" in str(fault.remedy)


async def test_a_database_server_that_is_not_yet_a_replica_set(
    patient: Patient, mongodb: Server, tmp_path: Path
) -> None:
    if not isinstance(mongodb, NativeMongoDB):
        pytest.skip("MongoDB runs in containers, which are made replica sets at once")
    fresh = NativeMongoDB(mongodb._binaries, tmp_path)
    (tmp_path / "mongodb/data").mkdir(parents=True)
    fresh._process = fresh._run()
    try:
        await until(lambda: accepts_connections(fresh._port), 30)
        fault = await patient.only_fault("store", MONGODB_URL=fresh.url)
        assert "has no primary" in fault.found
        assert "rs.initiate()" in str(fault.remedy)
        await until(lambda: is_writable_primary(fresh._port), 30)  # which initiates it
        faults = await patient.faults(MONGODB_URL=fresh.url)
        assert all(check.startswith("store index ") for check in faults)
        [command] = {tuple(*our_commands(fault)) for fault in faults.values()}
        assert (await patient.run(*command, MONGODB_URL=fresh.url)).code == 0
        await patient.is_well(MONGODB_URL=fresh.url)
    finally:
        fresh.stop()


@pytest.mark.parametrize(
    ("name", "url", "words"),
    [
        ("MONGODB_URL", "mongodb://127.0.0.1:port/", "DISPATCHER_MONGODB_URL: Port contains non-digit characters"),
        ("MONGODB_URL", "mongodb://127.0.0.1/?tls=true&tlsCAFile=/nowhere.pem", "No such file"),
        ("AMQP_URL", "amqps://127.0.0.1/?cafile=/nowhere.pem", "no TLS with 127.0.0.1/: "),
        ("AMQP_URL", "http://user:word@127.0.0.1/", "amqp://user:password@host:port/vhost is needed"),
    ],
)
async def test_an_address_that_is_none_or_names_files_that_are_not_there(
    patient: Patient, name: str, url: str, words: str
) -> None:
    fault = await patient.only_fault("store" if name == "MONGODB_URL" else "broker", **{name: url})
    assert words in fault.found
    assert f"DISPATCHER_{name}" in str(fault.remedy)


async def test_an_index_that_is_missing(patient: Patient) -> None:
    await patient.db.deliveries.drop_index("dead")
    fault = await patient.only_fault("store index deliveries.dead")
    assert fault.found == "is missing"
    [command] = our_commands(fault)
    done = await patient.run(*command)
    assert (done.code, done.out.splitlines()[0]) == (0, "made index deliveries.dead")
    await patient.is_well()


async def test_an_index_with_other_options(patient: Patient) -> None:
    await patient.db.deliveries.drop_index("due_at_1")
    await patient.db.deliveries.create_index([("due_at", 1)])
    fault = await patient.only_fault("store index deliveries.due_at_1")
    assert "partialFilterExpression is None, needed is {'status': 'waiting'}" in fault.found
    refused = await patient.run("migrate", "--json")
    assert (refused.code, [one["what"] for one in refused.json["differs"]]) == (1, ["index deliveries.due_at_1"])
    [command] = our_commands(fault)
    assert command == ["migrate", "--replace-indexes"]
    assert (await patient.run(*command)).code == 0
    await patient.is_well()


async def test_a_clock_that_is_wrong(patient: Patient) -> None:
    library = next(unpacked("libfaketime").glob("usr/lib/*/faketime/libfaketime.so.1"))
    faked = {"LD_PRELOAD": str(library), "FAKETIME": "-30s"}
    done = await ended(await started({**patient.environment(), **faked}, "doctor"))
    [fault] = [line for line in done.out.splitlines() if line.startswith("failed")]
    assert done.code == 1
    assert re.match(
        r"failed +clock: MongoDB's is \+(29|30)\.\d+ s from this machine's: .* → timedatectl set-ntp", fault
    )


@pytest.mark.parametrize(
    ("name", "value", "words", "remedy"),
    [
        ("IN_FLIGHT", "many", "valid integer", "set DISPATCHER_IN_FLIGHT: requests under way"),
        ("LOG_LEVEL", "loud", "match pattern", "the default is info"),
        ("API_PORT", "tcp://10.0.0.1:80", "valid integer", "enableServiceLinks: false"),
    ],
)
async def test_a_setting_that_cannot_be_used(patient: Patient, name: str, value: str, words: str, remedy: str) -> None:
    fault = await patient.only_fault("settings", **{name: value})
    assert fault.found.startswith(f"DISPATCHER_{name}: ")
    assert words in fault.found
    assert remedy in str(fault.remedy)


async def test_a_setting_with_a_typing_error(patient: Patient) -> None:
    [told] = [one for one in await patient.examined(IN_FLIGTH="5") if one.check == "settings" and one.remedy]
    assert told.state is State.WARNING
    assert "DISPATCHER_IN_FLIGTH is no setting" in told.found
    assert "set DISPATCHER_IN_FLIGHT " in str(told.remedy)


async def test_a_site_without_a_secret_key(patient: Patient) -> None:
    fault = await patient.only_fault("secret keys", SECRET_KEYS="")
    [command] = our_commands(fault)
    made_key = await patient.run(*command)
    await patient.is_well(SECRET_KEYS=made_key.out.strip())


async def test_secrets_that_no_configured_key_opens(patient: Patient, mongodb: Server) -> None:
    async with opened(mongodb.url) as mongo:
        await Webhooks(mongo, SecretBox(SECRET_KEYS)).insert(replace(made(mongo, 1), id="webhook_of_the_doctor"))
        other = {"SECRET_KEYS": new_entry("k2"), "MONGODB_DATABASE": mongo.db.name}
        fault = await patient.only_fault("stored secrets", **other)
        assert fault.found.startswith("1 webhooks hold what was encrypted with key 'k1'")
        assert "add k1:… to DISPATCHER_SECRET_KEYS" in str(fault.remedy)
        await patient.is_well(**other | {"SECRET_KEYS": f"{other['SECRET_KEYS']},{SECRET_KEYS}"})
        fault = await patient.only_fault("stored secrets", **other | {"SECRET_KEYS": new_entry("k1")})
        assert "key 'k1' has another value" in fault.found
        await patient.is_well(**other | {"SECRET_KEYS": SECRET_KEYS})


async def test_a_name_server_that_is_dead(patient: Patient) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        server = "127.0.0.1:{1}".format(*closed.getsockname())
    fault = await patient.only_fault(f"name server {server}", DNS_SERVERS=server)
    assert "the name servers cannot be reached" in fault.found
    assert "DISPATCHER_DNS_SERVERS" in str(fault.remedy)


async def test_authorities_that_cannot_be_read_or_have_expired(patient: Patient, tmp_path: Path) -> None:
    fault = await patient.only_fault("egress", EGRESS_CA_FILE=str(tmp_path / "none.pem"))
    assert fault.found == f"DISPATCHER_EGRESS_CA_FILE: {tmp_path}/none.pem: No such file or directory"
    expired = Authority().sign("us.example.com", days=(-3, -1)).write(tmp_path / "expired.pem")
    fault = await patient.only_fault("egress client certificate", EGRESS_CLIENT_CERT_FILE=str(expired))
    assert "CN=us.example.com expired on" in fault.found
    assert "DISPATCHER_EGRESS_CLIENT_CERT_FILE" in str(fault.remedy)


@asynccontextmanager
async def in_tls(url: str, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A port where a server's TLS ends."""
    target = urlsplit(url)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(copied(reader, there_writer), copied(there_reader, writer))

    async def copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(64 * 1024):
                target.write(data)
        except (OSError, ssl.SSLError):
            pass
        finally:
            target.close()

    server = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_a_broker_whose_certificate_is_not_trusted_or_has_expired(patient: Patient, tmp_path: Path) -> None:
    authority, folder = Authority(), tmp_path / "servers"
    folder.mkdir()
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    plain = patient.settings["AMQP_URL"]
    async with in_tls(plain, serving(authority.sign("127.0.0.1", days=(-1, 90)), folder)) as port:
        url = f"amqps://guest:guest@127.0.0.1:{port}/"
        fault = await patient.only_fault("broker", AMQP_URL=url)
        assert "CERTIFICATE_VERIFY_FAILED" in fault.found
        assert "cafile=" in str(fault.remedy)
        await patient.is_well(AMQP_URL=f"{url}?cafile={ca_file}")
    async with in_tls(plain, serving(authority.sign("127.0.0.1", days=(-3, -1)), folder)) as port:
        faults = await patient.faults(AMQP_URL=f"amqps://guest:guest@127.0.0.1:{port}/?cafile={ca_file}")
    assert "expired on" in faults["broker certificate"].found


async def test_a_database_whose_certificate_is_not_trusted(patient: Patient, tmp_path: Path) -> None:
    authority, folder = Authority(), tmp_path / "servers"
    folder.mkdir()
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority.pem)
    context = serving(authority.sign("127.0.0.1", days=(-1, 90)), folder)
    async with in_tls(patient.settings["MONGODB_URL"], context) as port:
        url = f"mongodb://127.0.0.1:{port}/?directConnection=true&tls=true"
        # By processes: a client of MongoDB that ends stops the loop for a moment, which forwards here.
        fault = only("store", await patient.told(MONGODB_URL=url))
        assert "certificate verify failed" in fault.found
        assert "tlsCAFile=" in str(fault.remedy)
        well(await patient.told(MONGODB_URL=f"{url}&tlsCAFile={ca_file}"))


async def test_a_port_that_somebody_else_holds(patient: Patient) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        fault = await patient.only_fault("service api", API_PORT=str(port))
    finally:
        server.close()
    assert "no service of ours" in fault.found
    assert fault.remedy == "DISPATCHER_API_PORT=a free one"
