"""Operators' commands as processes of their own, on a real MongoDB that others write to meanwhile."""

import asyncio
import base64
import hashlib
import hmac
import json
import random
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import pytest_asyncio

from deploy.local.servers import Server
from shared.contracts.webhook import Webhook
from shared.errors import StartupError
from shared.store.mongo import Mongo
from shared.store.reencryption import AT_ONCE, Reencryption
from shared.store.secrets import SecretBox
from shared.store.webhooks import Webhooks
from tests.cluster import SECRET_KEYS as OLD
from tests.cluster import SESSION, TENANT, Cluster, Receiver, ServiceProcess, cluster, environment, receiver, until
from tests.commands import Ended, Forks, ended, started
from tests.integration.test_store import opened
from tests.servers import PrivateServers

NEW = "k2:" + base64.b64encode(b"fedcba9876543210" * 2).decode()
BOTH = f"{NEW},{OLD}"


@dataclass
class Desk:
    """Where an operator sits: a database and the commands."""

    mongodb_url: str
    mongo: Mongo
    forks: Forks | None = None

    def env(self, **settings: str) -> dict[str, str]:
        named = {"MONGODB_DATABASE": self.mongo.db.name, "SECRET_KEYS": BOTH}
        return environment("", self.mongodb_url, **named | settings)

    async def start(self, *arguments: str, **settings: str) -> asyncio.subprocess.Process:
        return await started(self.env(**settings), *arguments)

    async def run(self, *arguments: str, **settings: str) -> Ended:
        start = self.forks.start if self.forks else started
        return await ended(await start(self.env(**settings), *arguments))

    async def left(self, keys: str = BOTH) -> int:
        return await Reencryption(self.mongo, SecretBox(keys)).left()

    def webhooks(self, keys: str) -> Webhooks:
        return Webhooks(self.mongo, SecretBox(keys))

    async def insert(self, number: int, keys: str = OLD, first: int = 0) -> None:
        """Webhooks as the API wrote them when these were the keys."""
        written = self.webhooks(keys)
        documents = [written._document(made(self.mongo, n)) for n in range(first, first + number)]
        await self.mongo.db.webhooks.insert_many(documents)


def made(mongo: Mongo, n: int) -> Webhook:
    return Webhook(
        id=f"webhook_{n:05}",
        tenant_id="t",
        url="https://your-app.com/x",
        event_types=("session.created",),
        secrets=(f"secret of {n}", f"new secret of {n}") if n % 3 == 0 else (f"secret of {n}",),
        headers={"X-Of": str(n)} if n % 2 else {},
        is_active=True,
        paused=False,
        disabled_reason=None,
        description=None,
        filter=None,
        max_attempts=None,
        version=1,
        created_at=mongo.now(),
        updated_at=mongo.now(),
    )


@pytest_asyncio.fixture(loop_scope="session")
async def desk(mongodb: Server, forks: Forks) -> AsyncIterator[Desk]:
    async with opened(mongodb.url) as mongo:
        yield Desk(mongodb.url, mongo, forks)


async def test_afterwards_everything_opens_with_the_new_key_alone(desk: Desk) -> None:
    await desk.insert(40)
    await desk.insert(3, keys=NEW, first=40)
    before = await desk.mongo.db.webhooks.find({}, {"secrets": 0, "headers": 0}).to_list(None)
    done = await desk.run("secrets", "re-encrypt")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "40 webhooks with something that another key than k2 encrypted",
        "40 encrypted again with k2, 0 left",
        "every key but k2 may be dropped from DISPATCHER_SECRET_KEYS",
    ]
    for n in range(43):
        expected = made(desk.mongo, n)
        found = await desk.webhooks(NEW).get(expected.id)
        assert found is not None
        assert (found.secrets, found.headers) == (expected.secrets, expected.headers)
    assert await desk.mongo.db.webhooks.find({}, {"secrets": 0, "headers": 0}).to_list(None) == before


async def test_a_dry_run_counts_and_changes_nothing(desk: Desk) -> None:
    await desk.insert(5)
    before = await desk.mongo.db.webhooks.find({}).to_list(None)
    done = await desk.run("secrets", "re-encrypt", "--dry-run")
    assert done.code == 0
    assert done.out.splitlines() == [
        "5 webhooks with something that another key than k2 encrypted",
        "dry run: nothing was changed",
    ]
    assert await desk.mongo.db.webhooks.find({}).to_list(None) == before
    counted = (await desk.run("secrets", "re-encrypt", "--dry-run", "--json")).json
    assert (counted["before"], counted["left"], counted["encrypted"], counted["dry_run"]) == (5, 5, 0, True)


async def test_what_does_not_open_is_named_and_left_as_it_was(desk: Desk) -> None:
    await desk.insert(3)
    lost = "k0:" + base64.b64encode(b"x" * 32).decode()
    await desk.insert(1, keys=lost, first=3)
    before = await desk.mongo.db.webhooks.find_one({"_id": "webhook_00003"})
    done = await desk.run("secrets", "re-encrypt")
    assert done.code == 1
    assert done.out.splitlines()[1:] == ["3 encrypted again with k2, 1 left"]
    assert done.err == ("dispatcher: secret of webhook_00003 is encrypted with key 'k0', which is not configured\n")
    assert await desk.mongo.db.webhooks.find_one({"_id": "webhook_00003"}) == before
    again = await desk.run("secrets", "re-encrypt", "--json")
    assert (again.code, again.err) == (1, "")
    assert again.json["unopened"] == [
        {
            "webhook_id": "webhook_00003",
            "problem": "secret of webhook_00003 is encrypted with key 'k0', which is not configured",
        }
    ]
    found = await desk.run("secrets", "re-encrypt", "--json", SECRET_KEYS=f"{BOTH},{lost}")
    assert (found.code, found.json["left"]) == (0, 0)


async def test_json_is_all_that_is_printed(desk: Desk) -> None:
    await desk.insert(2)
    done = await desk.run("secrets", "re-encrypt", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json == {
        "key": "k2",
        "before": 2,
        "encrypted": 2,
        "left": 0,
        "unopened": [],
        "dry_run": False,
        "stopped": False,
        "failure": None,
    }


async def test_nobody_s_change_is_lost_while_everything_is_encrypted_again(desk: Desk) -> None:
    """Customers rotate and set headers of the same webhooks, by an API that has the new key and by one that has not."""
    await desk.insert(300)
    customers, behind = desk.webhooks(BOTH), desk.webhooks(f"{OLD},{NEW}")
    expected = {f"webhook_{n:05}": made(desk.mongo, n) for n in range(300)}
    over = asyncio.Event()

    async def change(name: str, n: int) -> None:
        writer = random.choice([customers, behind])
        if n % 2:
            headers = {"X-Changed": str(n)}
            assert await writer.change(name, "t", {"headers": headers})
            expected[name] = replace(expected[name], headers=headers)
        else:
            read = await writer.get(name)
            assert read is not None
            secrets = (read.secrets[-1], f"rotated {n}")
            assert await writer.set_secrets(read, secrets, None, by="key", action="webhook.secret_rotated")
            expected[name] = replace(expected[name], secrets=secrets)

    async def customer(mine: list[str]) -> None:
        n = 0
        while not over.is_set():
            await change(random.choice(mine), n := n + 1)

    names = list(expected)
    tasks = [asyncio.create_task(customer(names[n::4])) for n in range(4)]
    for _ in range(3):
        done = await desk.run("secrets", "re-encrypt", "--json")
        assert done.code in (0, 1), done
        assert (done.json["unopened"], done.json["failure"]) == ([], None)
    over.set()
    await asyncio.gather(*tasks)
    assert (await desk.run("secrets", "re-encrypt", "--json")).json["left"] == 0
    changed = 0
    for name, webhook in expected.items():
        found = await desk.webhooks(NEW).get(name)
        assert found is not None
        assert (found.secrets, found.headers) == (webhook.secrets, webhook.headers)
        changed += found.version - 1
    assert changed > 50


async def test_a_change_of_one_half_meanwhile_leaves_the_other_half_to_us(desk: Desk) -> None:
    """The headers are changed between our reading and our writing: the secret is still closed again."""
    await desk.insert(2)
    reencryption = Reencryption(desk.mongo, SecretBox(BOTH))
    replaced = reencryption._replaced

    async def late(*given: Any) -> bool:
        reencryption._replaced = replaced  # type: ignore[method-assign]
        assert await desk.webhooks(BOTH).change("webhook_00001", "t", {"headers": {"X-New": "1"}})
        return await replaced(*given)

    await desk.mongo.db.webhooks.delete_one({"_id": "webhook_00000"})
    reencryption._replaced = late  # type: ignore[method-assign]
    async for _ in reencryption.run():
        pass
    found = await desk.webhooks(NEW).get("webhook_00001")
    assert found is not None
    assert (found.secrets, found.headers) == (("secret of 1",), {"X-New": "1"})


async def test_killed_half_way_it_goes_on_when_run_again(desk: Desk) -> None:
    await desk.insert(3_000)
    process = await desk.start("secrets", "re-encrypt")

    async def half_way() -> bool:
        return await desk.left() < 2_500

    await until(half_way, 20, every=0)
    process.send_signal(signal.SIGKILL)
    assert (await ended(process)).code == -signal.SIGKILL
    left = await desk.left()
    assert 0 < left < 2_500
    again = await desk.run("secrets", "re-encrypt", "--json")
    assert again.code == 0
    assert again.json["before"] == again.json["encrypted"]
    assert left - AT_ONCE <= again.json["before"] <= left, "the database still did what it had been sent"
    for n in range(0, 3_000, 100):
        found = await desk.webhooks(NEW).get(f"webhook_{n:05}")
        assert found is not None
        assert found.secrets == made(desk.mongo, n).secrets


@pytest.mark.parametrize("form", ["text", "json"])
async def test_ctrl_c_says_how_far_it_came(desk: Desk, form: str) -> None:
    await desk.insert(3_000)
    process = await desk.start("secrets", "re-encrypt", *(["--json"] if form == "json" else []))

    async def under_way() -> bool:
        return await desk.left() < 3_000

    await until(under_way, 20, every=0)
    process.send_signal(signal.SIGINT)
    done = await ended(process)
    left = await desk.left()
    assert (done.code, done.err) == (130, "")
    assert 0 < left < 3_000
    if form == "json":
        assert (done.json["encrypted"], done.json["left"], done.json["stopped"]) == (3_000 - left, left, True)
    else:
        assert done.out.splitlines()[1:] == [
            f"{3_000 - left} encrypted again with k2, {left} left",
            "what is done is done: run it again for the rest",
        ]


async def test_an_outage_half_way_is_code_1_and_says_how_far_it_came(private_servers: PrivateServers) -> None:
    server = private_servers.mongodb()
    async with opened(server.url) as mongo:
        desk = Desk(server.url, mongo)
        await desk.insert(3_000)
        process = await desk.start("secrets", "re-encrypt", "--json", STORE_TIMEOUT_SECONDS="2")

        async def under_way() -> bool:
            return await desk.left() < 2_900

        await until(under_way, 20, every=0)
        await asyncio.to_thread(server.kill)
        done = await ended(process)
        await asyncio.to_thread(server.restart)
        left = await desk.left()
        assert (done.code, done.json["left"], done.json["stopped"]) == (1, None, False), done
        assert done.json["failure"].startswith("MongoDB: ")
        assert 0 < done.json["encrypted"] <= 3_000 - left
        again = await desk.run("secrets", "re-encrypt", "--json")
        assert (again.code, again.json["encrypted"]) == (0, left)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"SECRET_KEYS": ""}, "DISPATCHER_SECRET_KEYS is not set"),
        ({"SECRET_KEYS": "k1:short"}, "DISPATCHER_SECRET_KEYS: an entry is not"),
        ({"SECRET_KEYS": f"{OLD},{OLD}"}, "DISPATCHER_SECRET_KEYS: two entries have one id"),
        ({"MONGODB_URL": "mongodb://"}, "DISPATCHER_MONGODB_URL: "),
        ({"STORE_TIMEOUT_SECONDS": "soon"}, "DISPATCHER_STORE_TIMEOUT_SECONDS: "),
    ],
)
async def test_settings_that_cannot_be_used_are_one_line_and_code_2(
    desk: Desk, settings: dict[str, str], words: str
) -> None:
    done = await desk.run("secrets", "re-encrypt", **settings)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done
    assert words in done.err


async def test_a_database_that_is_away_is_one_line_and_code_1(desk: Desk) -> None:
    away = Desk("mongodb://127.0.0.1:1/?replicaSet=rs0", desk.mongo)
    done = await away.run("secrets", "re-encrypt", STORE_TIMEOUT_SECONDS="1")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1), done
    assert done.err.startswith("dispatcher: MongoDB: ")


async def test_a_new_key_is_an_entry_that_encrypts(desk: Desk) -> None:
    first, second, named = [
        (await desk.run("secrets", "new-key", *more)).out.strip() for more in ([], [], ["--id", "mine"])
    ]
    assert first != second
    assert SecretBox(named).first == "mine"
    box = SecretBox(f"{first},{second}")
    assert box.open(box.close("text", "webhook_1"), "webhook_1") == "text"
    refused = await desk.run("secrets", "new-key", "--id", "a:b")
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)


def test_one_id_for_two_keys_is_refused_at_start() -> None:
    with pytest.raises(StartupError, match="two entries have one id"):
        SecretBox(f"{OLD},{OLD}")


async def test_help_tells_the_whole_procedure(desk: Desk) -> None:
    done = await desk.run("secrets", "re-encrypt", "--help")
    assert done.code == 0
    for words in ("--dry-run", "--json", "Example", "Put it first", "0 are left", "the API last"):
        assert words in " ".join(done.out.split()), words


async def test_deliveries_verify_before_during_and_after(tmp_path: Path, rabbitmq: Server, mongodb: Server) -> None:
    """The whole procedure on running services: new key first, encrypt again, old key dropped."""
    secret, number, names = "secret-of-the-customer", 20, ("fanout", "delivery", "api")
    async with cluster(tmp_path, rabbitmq.url, mongodb.url, *names) as services, receiver() as endpoint:
        for n in range(number):
            event_type = "session.created" if n == 0 else "session.completed"
            await services.create_webhook(endpoint.url, event_type, secret=secret, headers={"X-Mine": "yes"})
        await deliver(services, endpoint)
        await restart(services, BOTH, "fanout", "delivery")
        await restart(services, BOTH, "api")
        await deliver(services, endpoint)
        command = await started(services.of("api")[0].env, "secrets", "re-encrypt", "--json")
        over = asyncio.create_task(ended(command))
        while not over.done():
            await deliver(services, endpoint)
        done = await over
        assert done.code == 0, done
        assert (done.json["encrypted"], done.json["left"]) == (number, 0)
        await deliver(services, endpoint)
        await restart(services, NEW, "fanout", "delivery")
        await deliver(services, endpoint)
    assert len(endpoint.requests) >= 5
    for request in endpoint.requests:
        signed = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
        assert request.headers["X-Allure-Signature"] == signed
        assert request.headers["X-Mine"] == "yes"


async def deliver(services: Cluster, endpoint: Receiver) -> None:
    known = len(endpoint.requests)
    event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
    async with services.channel() as channel:
        exchange = await channel.get_exchange("events")
        await exchange.publish(aio_pika.Message(json.dumps(event).encode()), routing_key="session.created")
    await until(lambda: len(endpoint.requests) > known, 15, services.logs)


async def restart(services: Cluster, keys: str, *names: str) -> None:
    """With other keys."""

    def one(service: ServiceProcess) -> None:
        service.stop()
        service.env["DISPATCHER_SECRET_KEYS"] = keys
        service.start()

    named = [service for service in services.services if service.name in names]
    await asyncio.gather(*(asyncio.to_thread(one, service) for service in named))
    await services.ready()
