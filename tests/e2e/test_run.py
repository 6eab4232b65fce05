"""`make run` and `make demo`: what they show, what they leave behind, and how they end, whenever that is."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import ClientSession

from deploy.local.download import PROJECT
from deploy.local.readiness import accepts_connections, free_port
from deploy.local.servers import Server
from deploy.local.site import SERVICES, TENANT
from shared.contracts.event_types import GUIDE_TYPES

ENV_NAMES = [
    "DISPATCHER_API_URL",
    "DISPATCHER_INGEST_URL",
    "DISPATCHER_AMQP_URL",
    "DISPATCHER_MONGODB_URL",
    "DISPATCHER_ADMIN_KEY",
    "DISPATCHER_SECRET_KEYS",
    "DISPATCHER_EGRESS_ALLOW",
    "DISPATCHER_ALLOW_HTTP",
    *(f"DISPATCHER_{name.upper()}_PORT" for name in SERVICES),
]
START_SECONDS = 120
STOP_SECONDS = 15


class Program:
    """`python -m deploy.local.<name>` under watch: every process it ever had below it is remembered."""

    def __init__(self, name: str, folder: Path, **settings: str) -> None:
        env = {key: value for key, value in os.environ.items() if not key.startswith("DISPATCHER_")}
        if cache := os.environ.get("DISPATCHER_SERVERS_CACHE"):
            env["DISPATCHER_SERVERS_CACHE"] = cache
        env |= {f"DISPATCHER_{key}": value for key, value in settings.items()}
        self.output = folder.with_name(f"{folder.name}-{name}-{time.monotonic_ns()}.txt")
        command = [sys.executable, "-m", f"deploy.local.{name}", "--folder", str(folder)]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=PROJECT, env=env, stdout=output, stderr=output)
        self._seen: set[psutil.Process] = set()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while self.process.poll() is None:
            self._look()
            time.sleep(0.02)

    def _look(self) -> None:
        try:
            self._seen.update(psutil.Process(self.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return

    def child(self, what: str) -> psutil.Process | None:
        """A process below with this in its command line."""
        for process in list(self._seen):
            try:
                if what in " ".join(process.cmdline()):
                    return process
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return None

    def alive(self) -> list[psutil.Process]:
        """What still runs of all it ever had below it."""
        return [process for process in list(self._seen) if _runs(process)]

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, condition: Callable[[], Any], within_seconds: float = START_SECONDS) -> None:
        deadline = time.monotonic() + within_seconds
        while not condition():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def ended(self, within_seconds: float) -> int:
        """Its exit code; nothing of it may be left by then."""
        code = self.process.wait(within_seconds)
        assert self.alive() == [], self.said()
        return code


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def started(name: str, folder: Path, **settings: str) -> Iterator[Program]:
    program = Program(name, folder, **settings)
    try:
        yield program
    finally:
        for process in [program.process, *program.alive()]:
            process.kill()
        program.process.wait()


def ports() -> dict[str, str]:
    return {"API_PORT": str(free_port()), "INGEST_PORT": str(free_port())}


def env_of(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in shlex.split((folder / "env").read_text()))


@pytest.fixture
def folder(tmp_path: Path, servers_folder: Path) -> Path:
    """Below the session's own, where leftovers of tests are looked for."""
    made = servers_folder / re.sub(r"\W", "", tmp_path.name)
    made.mkdir()
    return made


def test_demo_delivers_and_verifies_each_event_type_and_leaves_nothing(folder: Path) -> None:
    with started("demo", folder) as demo:
        assert demo.ended(START_SECONDS) == 0, demo.said()
        rows = [line for line in demo.said().splitlines() if "verified" in line and " ms" in line]
        assert sorted(re.findall(r"[a-z]+\.[a-z.]+", "\n".join(rows))) == sorted(GUIDE_TYPES)
        assert not folder.exists()


async def test_run_stays_up_refuses_a_second_survives_a_kill_and_stops_in_time(folder: Path) -> None:
    chosen = ports()
    with started("run", folder, **chosen) as first:
        first.wait_for((folder / "env").exists)
        before = env_of(folder)
        assert list(before) == ENV_NAMES
        assert before["DISPATCHER_API_URL"].endswith(":" + chosen["API_PORT"])
        assert before["DISPATCHER_INGEST_URL"].endswith(":" + chosen["INGEST_PORT"])
        assert (folder / "env").stat().st_mode & 0o777 == 0o600
        assert all(event_type in first.said() for event_type in GUIDE_TYPES)
        assert all((folder / f"run/logs/{name}.log").stat().st_size for name in SERVICES)
        with started("run", folder, **chosen) as second:
            assert second.ended(START_SECONDS) == 2
            assert "running already" in second.said()
            assert len(second.said().splitlines()) == 1
        webhooks = await sample_webhooks(before)
        first.process.kill()
        first.process.wait()
        left = first.alive()
        assert left, "the kill left nothing to clean"
        with started("run", folder, **chosen) as again:
            again.wait_for(lambda: (folder / "env").exists() and env_of(folder) != before)
            assert not any(map(_runs, left))
            after = env_of(folder)
            assert after["DISPATCHER_ADMIN_KEY"] == before["DISPATCHER_ADMIN_KEY"]
            assert await sample_webhooks(after) == webhooks
            again.process.send_signal(signal.SIGTERM)
            again.wait_for(lambda: "stopping" in again.said())
            again.process.send_signal(signal.SIGTERM)  # an impatient one changes nothing
            assert again.ended(STOP_SECONDS) == 0, again.said()
            assert not (folder / "env").exists()


async def sample_webhooks(env: dict[str, str]) -> list[str]:
    headers = {"X-API-Key": env["DISPATCHER_ADMIN_KEY"]}
    url = f"{env['DISPATCHER_API_URL']}/api/v1/webhooks?tenant_id={TENANT}"
    async with ClientSession(headers=headers) as http, http.get(url) as response:
        ids = [webhook["id"] for webhook in (await response.json())["webhooks"]]
    assert len(ids) == 1
    return ids


@pytest.mark.parametrize("variable", ["API_PORT", "INGEST_PORT"])
def test_a_busy_port_is_one_line_with_the_variable_before_anything_is_started(folder: Path, variable: str) -> None:
    with taken_port() as port, started("run", folder, **{**ports(), variable: str(port)}) as run:
        assert run.ended(START_SECONDS) == 2
        assert f"DISPATCHER_{variable}" in run.said()
        assert len(run.said().splitlines()) == 1
        assert not run.child("mongod")


@contextmanager
def taken_port() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        while not accepts_connections(port):
            time.sleep(0.02)
        yield port
        server.kill()


def test_named_servers_are_used_and_a_service_that_dies_is_named(
    folder: Path, rabbitmq: Server, mongodb: Server
) -> None:
    named = {"AMQP_URL": rabbitmq.url, "MONGODB_URL": mongodb.url, "ADMIN_KEY": "scorm_chosen-by-its-operator"}
    with started("run", folder, **ports(), **named, EGRESS_ALLOW="10.0.0.0/8") as run:
        run.wait_for((folder / "env").exists)
        env = env_of(folder)
        assert {name: env[f"DISPATCHER_{name}"] for name in named} == named
        assert env["DISPATCHER_EGRESS_ALLOW"] == "10.0.0.0/8,127.0.0.0/8,::1/128"
        fanout = run.child("services.fanout")
        assert fanout
        fanout.kill()
        assert run.ended(STOP_SECONDS) not in (0, None)
        assert "fanout has ended" in run.said()
        assert "fanout.log" in run.said()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["mongod", "services.fanout"])
def test_a_signal_during_start_up_leaves_nothing(folder: Path, moment: str, number: signal.Signals) -> None:
    with started("run", folder, **ports()) as run:
        run.wait_for(lambda: run.child(moment))
        run.process.send_signal(number)
        run.ended(STOP_SECONDS)
        assert not (folder / "env").exists()
