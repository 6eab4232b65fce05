"""Secrets are seen where they belong and nowhere else: a whole run, and then a search of all that it left behind.

The one legitimate place is the single answer that shows a secret or a key that we made.
"""

import asyncio
import base64
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from secrets import token_urlsafe

import aio_pika
import pytest
from aiohttp import web

from deploy.local.servers import Servers, Supplier
from services.delivery.signing import allure_signature
from tests.cluster import ADMIN_KEY, TENANT, Cluster, Received, cluster, receiver, until
from tests.collector import Collector, traced
from tests.e2e.hunt import EVENT, Run, documents, hunt, logs, messages, on_disk
from tests.e2e.misplaced import refuse
from tests.servers import private_servers_in

KINDS = ("answer", "log", "document", "message", "trace")
ENDS = {"echoing": "succeeded", "failing": "dead", "broken": "dead", "away": "dead", "rotated": "succeeded"}
TAPS = {"tapped.events": ("events", "#"), "tapped.dead": ("dead-letters", "dead-letters.deliveries")}
SETTINGS = {
    "LOG_LEVEL": "debug",
    "RETRY_BASE_SECONDS": "0.2",
    "RETRY_FACTOR": "1",
    "ATTEMPT_TIMEOUT_SECONDS": "2",
}


@pytest.fixture
def servers(server_supplier: Supplier, servers_folder: Path) -> Iterator[tuple[Servers, Path]]:
    with private_servers_in(servers_folder / "leaks", server_supplier) as private:
        yield private.both(), servers_folder / "leaks"


def echo(request: web.Request, _: Received) -> web.Response:
    """The rudest of endpoints: all that it was sent, back in its answer."""
    status = 500 if request.path == "/failing" else 200
    return web.json_response({"you sent": dict(request.headers)}, status=status)


async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """No HTTP: the request's own header in the place of a status line."""
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(next(line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization")) + b"\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_no_secret_is_in_any_log_answer_metric_message_document_or_file(
    servers: tuple[Servers, Path], tmp_path: Path
) -> None:
    started, folder = servers
    secrets = {
        "operator's key": ADMIN_KEY.encode(),
        "key of secrets": base64.b64encode(os.urandom(32)),
        "given secret": token_urlsafe(30).encode(),
        "rotated secret": token_urlsafe(30).encode(),
        "bearer": token_urlsafe(30).encode(),
        "header": token_urlsafe(30).encode(),
        "header for traces": token_urlsafe(30).encode(),
    }
    secrets["header, as given"] = b'"\\/<' + secrets["header"]
    settings = {**SETTINGS, "SECRET_KEYS": f"k7:{secrets['key of secrets'].decode()}"}
    async with (
        traced(EXPORTER_OTLP_HEADERS=f"x-token={secrets['header for traces'].decode()}") as collector,
        cluster(tmp_path, started.rabbitmq.url, started.mongodb.url, **settings) as services,
    ):
        run = Run(services, secrets)
        await _tap(services)
        tenant_key = await _make_and_deliver(run)
        await until(lambda: _traced(run, collector), 20, services.logs)
        await refuse(run)
        await _leave_work_on_the_queues(run)
        await _read_everything(run, tenant_key)
        places = {**run.answers, **logs(services), **await documents(services), **await messages(services, *TAPS)}
        places |= {f"trace {number}": sent for number, sent in enumerate(collector.requests)}
        counted = ", ".join(f"{sum(name.startswith(kind) for name in places)} {kind}s" for kind in KINDS)
        print(f"{len(secrets)} secrets; {counted}, {sum(map(len, places.values())) / 1e6:.1f} MB")
        assert hunt(places, run.secrets) == {}
        await _prove_the_hunt(run, places, folder if started.mongodb.kind == "native" else None)


async def _tap(services: Cluster) -> None:
    """Queues that keep a copy of what passes."""
    async with services.channel() as channel:
        for name, (exchange, key) in TAPS.items():
            queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
            await queue.bind(exchange, key)


async def _make_and_deliver(run: Run) -> str:
    """Webhooks with every kind of secret; deliveries that end in every way. Answers a tenant's key."""
    services, own = (
        run.services,
        {"Authorization": f"Bearer {run.text('bearer')}", "X-Own": run.text("header, as given")},
    )
    keys = services.api + "/api/v1/api-keys"
    key = str((await run.ask("POST", keys, {"tenant_id": TENANT, "scopes": ["admin"]}, shows="key"))["key"])
    server = await asyncio.start_server(broken, "127.0.0.1", 0)
    async with receiver(echo) as endpoint, server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await run.subscribe("echoing", endpoint.url, secret=run.text("given secret"), headers=own)
        await run.subscribe("failing", endpoint.url + "/failing", shows="secret", headers=own)
        await run.subscribe("broken", address, shows="secret", headers=own)
        await run.subscribe("away", "http://127.0.0.1:1", shows="secret", headers=own)
        await run.subscribe("rotated", endpoint.url, secret=run.text("given secret"))
        await run.ask("POST", run.path("rotated", "/rotate-secret"), {"secret": run.text("rotated secret")})
        await run.ask("POST", run.path("rotated", "/rotate-secret"), shows="secret")
        await run.subscribe("unreadable", endpoint.url, secret=run.text("given secret"), headers=own)
        gone = {"$set": {"secrets.0.key": "gone"}}
        await services.db.webhooks.update_one({"_id": run.webhooks["unreadable"]}, gone)
        await run.ask("PATCH", run.path("echoing"), {"headers": {**own, "X-More": run.text("header, as given")}})
        await run.ask("POST", services.ingest + "/api/v1/events", EVENT, key=key)
        await until(lambda: _ended(run), 40, services.logs)
        assert any(run.text("bearer") in request.headers.get("Authorization", "") for request in endpoint.requests)
        signatures = {request.headers["X-Allure-Signature"] for request in endpoint.requests}
        assert signatures & {allure_signature(run.text("given secret"), request.body) for request in endpoint.requests}
        [failing], [odd] = [await services.deliveries(run.webhooks[name]) for name in ("failing", "broken")]
        assert failing["attempts"][0]["answer"].count("[hidden]") == 2
        assert "[hidden]" in odd["attempts"][0]["detail"]
        await run.ask("POST", f"{services.api}/api/v1/deliveries/{failing['id']}/retry", key=key)
        await run.ask("POST", run.path("echoing", "/test"), key=key)
        await run.ask("POST", run.path("rotated", "/rotate-secret/complete"))
        await until(lambda: _ended(run), 40, services.logs)
    return key


async def _ended(run: Run) -> bool:
    found = {name: await run.services.deliveries(run.webhooks[name]) for name in ENDS}
    told = b"".join(logs(run.services).values())
    return b"does not open" in told and all(
        found[name] and {delivery["status"] for delivery in found[name]} == {status} for name, status in ENDS.items()
    )


def _traced(run: Run, collector: Collector) -> bool:
    """The collector has got spans of every kind of delivery, and what it asks for."""
    found = {span.attributes["dispatcher.webhook_id"] for span in collector.named("attempt")}
    asked = {headers["x-token"] for headers in collector.headers}
    return found == set(run.webhooks.values()) and asked == {run.text("header for traces")}


async def _leave_work_on_the_queues(run: Run) -> None:
    """With the workers gone: fresh deliveries, some that come again, and a message that is parked."""
    services = run.services
    for worker in services.of("delivery"):
        worker.kill()
    await run.ask("POST", services.ingest + "/api/v1/events", {**EVENT, "event_id": "left"})
    failing = (await services.deliveries(run.webhooks["failing"]))[-1]
    await run.ask("POST", f"{services.api}/api/v1/deliveries/{failing['id']}/retry")
    async with services.channel() as channel:
        await (await channel.get_exchange("events")).publish(aio_pika.Message(b"no event"), routing_key="x")
    for queue in ("deliveries", "deliveries.again", "parked", "dead-letters.deliveries"):
        await until(partial(services.depth, queue), 20, services.logs)


async def _read_everything(run: Run, tenant_key: str) -> None:
    """Every GET of every service, with the operator's key and a tenant's."""
    services = run.services
    for service in services.services:
        if service.alive():
            for path in ("/metrics", "/readyz", "/healthz", "/docs"):
                await run.ask("GET", service.url + path)
    document = await run.ask("GET", services.api + "/openapi.json")
    replay = await run.ask("POST", run.path("failing", "/replay"), {"since": "2020-01-01T00:00:00Z"})
    for webhook_id in run.webhooks.values():
        delivery = (await services.deliveries(webhook_id))[0]
        ids = {"webhook_id": webhook_id, "delivery_id": delivery["id"], "event_id": delivery["event_id"]}
        for path in [path for path, methods in document["paths"].items() if "get" in methods]:
            url = services.api + path.format(**ids, replay_id=replay["id"], erasure_id="erasure_0")
            await run.ask("GET", f"{url}{'' if '{' in path and 'event' not in path else f'?tenant_id={TENANT}'}")
            await run.ask("GET", url, key=tenant_key)


async def _prove_the_hunt(run: Run, places: dict[str, bytes], folder: Path | None) -> None:
    """It finds what is known to be there; and the secrets, once they are put where they do not belong."""
    known = {"a webhook": run.webhooks["echoing"].encode()}
    assert {name.split()[0] for name in hunt(places, known)} == set(KINDS)
    await run.services.mongo.admin.command("fsync")
    if folder:
        held = on_disk(folder, known)
        assert {server for server in ("mongodb", "rabbitmq") for name in held if server in name} == {
            "mongodb",
            "rabbitmq",
        }
        assert on_disk(folder, run.secrets) == {}
    await run.services.db.planted.insert_one({"secrets": [secret.decode() for secret in run.secrets.values()]})
    await run.services.mongo.admin.command("fsync")
    [found] = hunt(await documents(run.services), run.secrets).values()
    assert {f"{name} (plain)" for name in run.secrets} <= set(found)
    if folder:
        assert on_disk(folder, run.secrets) != {}
