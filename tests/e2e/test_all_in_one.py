"""`python -m services.all`: the five services in one process."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from aiohttp import ClientError, ClientSession

from deploy.local.servers import Server
from tests.cluster import ADMIN_KEY, SESSION, TENANT, Cluster, environment, free_port, receiver, until

NAMES = ("api", "ingest", "fanout", "delivery", "scheduler")


def started(env: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return subprocess.Popen([sys.executable, "-m", "services.all"], env=env, stdout=out, stderr=out)


async def test_an_event_arrives_and_sigterm_ends_the_process(tmp_path: Path, rabbitmq: Server, mongodb: Server) -> None:
    ports = {name: free_port() for name in NAMES}
    settings = {f"{name.upper()}_PORT": str(port) for name, port in ports.items()}
    await Cluster(tmp_path, rabbitmq.url, mongodb.url).clear_broker()
    database = f"all_{os.getpid()}"
    env = environment(rabbitmq.url, mongodb.url, MONGODB_DATABASE=database, **settings)
    log = tmp_path / "all.log"
    process = started(env, log)
    try:
        async with ClientSession(headers={"X-API-Key": ADMIN_KEY}) as http, receiver() as endpoint:
            urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}

            async def ready() -> bool:
                try:
                    for url in urls.values():
                        async with http.get(url + "/readyz") as response:
                            if response.status != 200:
                                return False
                except ClientError:
                    return False
                return True

            await until(ready, 30, log.read_text)
            body = {"tenant_id": TENANT, "url": endpoint.url, "event_type": "session.created"}
            async with http.post(urls["api"] + "/api/v1/webhooks", json=body) as response:
                assert response.status == 201
            event = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
            async with http.post(urls["ingest"] + "/api/v1/events", json=event) as response:
                assert response.status == 202
            await until(lambda: len(endpoint.requests) == 1, 20, log.read_text)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
