"""The Python and JavaScript of the README and of `docs/` does what it is there for."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from werkzeug.datastructures import Headers
from werkzeug.serving import make_server

from deploy.local.readiness import accepts_connections
from deploy.local.servers import Server
from tests.cluster import Cluster, Received, cluster, free_port, receiver, until
from tests.docs.pages import PAGES, PROJECT, Page
from tests.e2e.test_contract import publish_the_guide_s_payloads

SECRETS = ["your-webhook-secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
PUBLISHERS = ("README.md", "docs/producers.md")
RECEIVERS = "docs/receivers.md"
ASK_JAVASCRIPT = """
import { verified, verifiedStandard, server } from "./receiver.mjs";
const [secret, body, headers] = JSON.parse(process.argv[2]);
const raw = Buffer.from(body, "base64");
console.log(JSON.stringify([verified(secret, raw, headers), verifiedStandard(secret, raw, headers)]));
server.close();
"""
Verdicts = tuple[bool, ...]


def code(name: str, language: str, having: str = "") -> list[str]:
    """A page's blocks of a language with this in them."""
    return [block.text for block in Page(PROJECT / name).blocks(language) if having in block.text]


SCRIPTS = [(name, script) for name in PUBLISHERS for script in code(name, "python", "pika")]
[VERIFIER] = code("README.md", "python", "def verified")
[IN_PYTHON] = code(RECEIVERS, "python")
[IN_JAVASCRIPT] = code(RECEIVERS, "js")


def test_no_code_is_forgotten() -> None:
    tested = {*(script for _, script in SCRIPTS), VERIFIER, IN_PYTHON, IN_JAVASCRIPT}
    for page in PAGES:
        for block in page.blocks("python", "js"):
            assert block.text in tested or block.not_run_because, block


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(
    rabbitmq: Server, mongodb: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    folder = tmp_path_factory.mktemp("examples")
    async with cluster(folder, rabbitmq.url, mongodb.url, "fanout", "delivery", "scheduler", "api") as started:
        yield started


@pytest.mark.parametrize("script", [script for _, script in SCRIPTS], ids=[name for name, _ in SCRIPTS])
async def test_what_a_script_publishes_is_delivered(services: Cluster, script: str) -> None:
    async with receiver() as endpoint:
        webhook = await services.create_webhook(endpoint.url, tenant_id="acme", event_types=["*"])
        env = {**os.environ, "DISPATCHER_AMQP_URL": services.amqp_url}
        ran = await asyncio.create_subprocess_exec(sys.executable, "-c", script, env=env, stderr=subprocess.PIPE)
        _, complaint = await ran.communicate()
        assert ran.returncode == 0, complaint.decode()
        expected = 1000 if "range(1000)" in script else 1
        await until(lambda: len(endpoint.requests) == expected, 60, services.logs)
        await services.http.delete(f"{services.api}/api/v1/webhooks/{webhook['id']}")


async def delivered(services: Cluster, secret: str, url: str = "") -> Received | None:
    """The first of the guide's payloads as it really arrives; with a `url`, all arrive there and are accepted."""
    async with receiver() as endpoint:
        tenant = uuid4().hex
        wanted = {"tenant_id": tenant, "event_types": ["*"], "secret": secret}
        webhook = await services.create_webhook(url or endpoint.url, **wanted)
        sent = await publish_the_guide_s_payloads(services, tenant)

        async def all_have_arrived() -> bool:
            found = await services.deliveries(webhook["id"])
            return [delivery["status"] for delivery in found] == ["succeeded"] * sent

        await until(all_have_arrived, 30, services.logs)
        return endpoint.requests[0] if endpoint.requests else None


def changed(received: Received) -> Received:
    return Received(received.at, received.path, received.headers, received.body.replace(b"{", b"{ ", 1))


def ran(source: str) -> dict[str, Any]:
    """What a page's code defines."""
    defined: dict[str, Any] = {"__name__": "receiver"}
    exec(source, defined)
    return defined


def judged_in_python(source: str, secret: str, received: Received) -> Verdicts:
    defined = ran(source)
    verifiers = [defined[name] for name in ("verified", "verified_standard") if name in defined]
    return tuple(verify(secret, received.body, Headers(received.headers)) for verify in verifiers)


def judged_in_javascript(folder: Path, secret: str, received: Received) -> Verdicts:
    (folder / "receiver.mjs").write_text(IN_JAVASCRIPT)
    (folder / "ask.mjs").write_text(ASK_JAVASCRIPT)
    headers = {name.lower(): value for name, value in received.headers.items()}
    question = json.dumps([secret, base64.b64encode(received.body).decode(), headers])
    env = {**os.environ, "PORT": "0"}
    command = [node(), str(folder / "ask.mjs"), question]
    return tuple(json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout))


def node() -> str:
    return shutil.which("node") or pytest.skip("node is not on this machine")


@pytest.mark.parametrize("secret", SECRETS)
async def test_every_verifier_says_yes_to_what_we_send_and_no_to_what_was_changed(
    services: Cluster, secret: str
) -> None:
    received = await delivered(services, secret)
    assert received
    for source, count in ((VERIFIER, 1), (IN_PYTHON, 2)):
        assert judged_in_python(source, secret, received) == (True,) * count
        assert judged_in_python(source, secret, changed(received)) == (False,) * count
        assert judged_in_python(source, "another-webhook-secret", received) == (False,) * count


@pytest.mark.parametrize("secret", SECRETS)
async def test_the_verifiers_in_javascript_do_too(services: Cluster, secret: str, tmp_path: Path) -> None:
    node()
    received = await delivered(services, secret)
    assert received
    assert judged_in_javascript(tmp_path, secret, received) == (True, True)
    assert judged_in_javascript(tmp_path, secret, changed(received)) == (False, False)


async def test_the_receiver_in_python_accepts_every_delivery(
    services: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRETS[0])
    server = make_server("127.0.0.1", 0, ran(IN_PYTHON)["app"], threaded=True)
    serving = asyncio.get_running_loop().run_in_executor(None, server.serve_forever)
    try:
        await delivered(services, SECRETS[0], f"http://127.0.0.1:{server.server_port}/webhooks/scorm")
    finally:
        server.shutdown()
        await serving
        server.server_close()


@contextmanager
def javascript_receiver(folder: Path) -> Iterator[str]:
    (folder / "receiver.mjs").write_text(IN_JAVASCRIPT)
    port = free_port()
    env = {**os.environ, "PORT": str(port), "WEBHOOK_SECRET": SECRETS[0]}
    with subprocess.Popen([node(), str(folder / "receiver.mjs")], env=env, stdout=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


async def test_the_receiver_in_javascript_accepts_every_delivery(services: Cluster, tmp_path: Path) -> None:
    with javascript_receiver(tmp_path) as url:
        await until(lambda: accepts_connections(int(url.rsplit(":", 1)[1])), 20)
        await delivered(services, SECRETS[0], url)
