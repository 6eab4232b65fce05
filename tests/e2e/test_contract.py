"""The guide as customers follow it: its `curl`, its Python receiver, its JavaScript receivers."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import pytest_asyncio
import standardwebhooks
import svix

from deploy.local.servers import Server
from tests.cluster import ADMIN_KEY, TENANT, Cluster, cluster, receiver, until

GUIDE = Path(__file__).resolve().parents[1] / "guide"
PAYLOADS = Path(__file__).resolve().parents[1] / "fixtures/v1/guide-payloads.jsonl"
SECRET = "your-webhook-secret"
# As printed, with an address that exists in its place: host, key and nothing else of it change.
BODY = """{
    "tenant_id": "550e8400-e29b-41d4-a716-446655440000",
    "url": "https://your-app.com/api/webhooks/scorm",
    "secret": "your-webhook-secret",
    "event_type": "package.processing.completed"
  }"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(
    tmp_path_factory: pytest.TempPathFactory, rabbitmq: Server, mongodb: Server
) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path_factory.mktemp("contract"), rabbitmq.url, mongodb.url) as started:
        yield started


@contextmanager
def process(*command: str) -> Iterator[str]:
    """A receiver of the guide, which prints its port; answers its address."""
    env = {**os.environ, "WEBHOOK_SECRET": SECRET}
    with subprocess.Popen(command, cwd=GUIDE, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as started:
        try:
            assert started.stdout
            yield f"http://127.0.0.1:{int(started.stdout.readline())}"
        finally:
            started.kill()


async def publish_the_guide_s_payloads(services: Cluster, tenant_id: str) -> int:
    """Every payload that the guide prints, by AMQP, for a tenant of the caller's."""
    payloads = [json.loads(line) for line in PAYLOADS.read_text().splitlines()]
    async with services.channel() as channel:
        exchange = await channel.get_exchange("events")
        for number, payload in enumerate(payloads):
            body = json.dumps({**payload, "tenant_id": tenant_id, "event_id": f"e{number}"}).encode()
            await exchange.publish(aio_pika.Message(body), routing_key=payload["event"])
    return len(payloads)


async def accepted_by(services: Cluster, url: str, tenant_id: str) -> list[dict[str, Any]]:
    """The finished deliveries of every payload of the guide, posted to `url`."""
    webhook = await services.create_webhook(url, tenant_id=tenant_id, secret=SECRET, event_types=["*"])
    sent = await publish_the_guide_s_payloads(services, tenant_id)
    found: list[dict[str, Any]] = []

    async def all_attempted() -> bool:
        found[:] = await services.deliveries(webhook["id"])
        return len(found) == sent and all(delivery["attempts"] for delivery in found)

    await until(all_attempted, 20, services.logs)
    return found


def codes(deliveries: list[dict[str, Any]]) -> set[tuple[int, int]]:
    return {(len(delivery["attempts"]), delivery["attempts"][0]["status_code"]) for delivery in deliveries}


async def test_the_guide_s_curl_makes_a_webhook_and_answers_as_printed(services: Cluster) -> None:
    if not (curl := shutil.which("curl")):
        pytest.skip("curl is not on this machine")
    call = await asyncio.create_subprocess_exec(
        *(curl, "-sS", "-w", "\n%{http_code}", "-X", "POST", services.api + "/api/v1/webhooks"),
        *("-H", f"X-API-Key: {ADMIN_KEY}", "-H", "Content-Type: application/json", "-d", BODY),
        stdout=subprocess.PIPE,
    )
    output, _ = await call.communicate()
    text, status = output.decode().rsplit("\n", 1)
    assert status == "201", text
    answer = json.loads(text)
    assert list(answer)[:6] == ["id", "tenant_id", "url", "event_type", "is_active", "created_at"]
    printed = {name: answer[name] for name in ("tenant_id", "url", "event_type", "is_active")}
    assert printed == {
        "tenant_id": TENANT,
        "url": "https://your-app.com/api/webhooks/scorm",
        "event_type": "package.processing.completed",
        "is_active": True,
    }
    async with services.http.get(f"{services.api}/api/customer/webhooks/{answer['id']}/deliveries") as response:
        assert response.status == 200
    await services.http.delete(f"{services.api}/api/v1/webhooks/{answer['id']}")


async def test_the_guide_s_python_receiver_accepts_every_delivery(services: Cluster) -> None:
    with process(sys.executable, "receiver.py") as url:
        deliveries = await accepted_by(services, url + "/webhooks/scorm", "python-tenant")
    assert codes(deliveries) == {(1, 200)}


@pytest.mark.parametrize("route", ["/signed", "/plain"])
async def test_the_guide_s_javascript_receivers_accept_every_delivery(services: Cluster, route: str) -> None:
    if not (node := shutil.which("node")):
        pytest.skip("node is not on this machine")
    with process(node, "harness.mjs") as url:
        deliveries = await accepted_by(services, url + route, "javascript-tenant" + route.replace("/", "-"))
    assert codes(deliveries) == {(1, 200)}


async def test_the_guide_s_receiver_refuses_another_secret_so_its_yes_means_something(services: Cluster) -> None:
    with process(sys.executable, "receiver.py") as url:
        webhook = await services.create_webhook(
            url + "/webhooks/scorm", tenant_id="wrong", secret="another-webhook-secret", event_types=["*"]
        )
        await publish_the_guide_s_payloads(services, "wrong")

        async def refused() -> bool:
            # Five failures in a row open the endpoint's breaker: any further delivery may wait without an attempt.
            found = await services.deliveries(webhook["id"])
            answers = [attempt["status_code"] for delivery in found for attempt in delivery["attempts"]]
            return len(answers) >= 5 and set(answers) == {401}

        await until(refused, 20, services.logs)
        await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")


@pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.Webhook])
async def test_public_client_libraries_verify_what_arrives(services: Cluster, library: Any) -> None:
    tenant_id = library.__module__.split(".")[0] + "-tenant"
    async with receiver() as endpoint:
        body = {"tenant_id": tenant_id, "url": endpoint.url, "event_types": ["*"]}
        async with services.http.post(services.api + "/api/v1/webhooks", json=body) as response:
            secret = (await response.json())["secret"]
        sent = await publish_the_guide_s_payloads(services, tenant_id)
        await until(lambda: len(endpoint.requests) == sent, 20, services.logs)
        for request in endpoint.requests:
            library(secret).verify(request.body, request.headers)
            with pytest.raises(Exception, match="signature"):
                library(secret).verify(request.body.replace(b"{", b"{ ", 1), request.headers)


async def test_a_delivery_has_the_guide_s_body_and_headers(services: Cluster) -> None:
    async with receiver() as endpoint:
        await services.create_webhook(endpoint.url, tenant_id="shape", secret=SECRET, event_types=["*"])
        sent = await publish_the_guide_s_payloads(services, "shape")
        await until(lambda: len(endpoint.requests) == sent, 20, services.logs)
    for request in endpoint.requests:
        body = json.loads(request.body)
        assert list(body) == ["event", "tenant_id", "data", "timestamp", "delivery_id"]
        assert body["timestamp"] == "2025-01-15T10:30:00.000Z"
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert headers["content-type"] == "application/json"
        assert headers["user-agent"].startswith("Allure-Webhooks/")
        assert headers["x-allure-signature-algorithm"] == "sha256"
        assert headers["x-allure-event"] == body["event"]
        assert headers["x-allure-delivery"] == headers["webhook-id"] == body["delivery_id"]
        assert headers["x-allure-attempt"] == "1"
