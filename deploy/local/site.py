"""Everything on this machine: servers, the five services as processes, and what they have to know of each other."""

import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.download import PROJECT
from deploy.local.errors import LocalServersError
from deploy.local.folder import claimed
from deploy.local.interruption import interruptible
from deploy.local.keys import remembered_keys
from deploy.local.processes import Process
from deploy.local.progress import Progress
from deploy.local.readiness import free_port
from deploy.local.servers import server_urls

SERVICES = ("ingest", "fanout", "delivery", "scheduler", "api")
TENANT = "550e8400-e29b-41d4-a716-446655440000"
EGRESS_ALLOW = "127.0.0.0/8,::1/128"
READY_SECONDS = 60
STOP_SECONDS = 6
# A proxy that the environment names cannot reach this machine's own addresses.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SiteFailed(LocalServersError):
    """Something that has to run does not; the message says what, why and what to do."""


@dataclass
class Site:
    """A running site. `env` is what the services were started with."""

    folder: Path
    env: dict[str, str]
    ports: dict[str, int]
    sample_secret: str
    processes: dict[str, Process] = field(default_factory=dict)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def admin_key(self) -> str:
        return self.env["DISPATCHER_ADMIN_KEY"]

    @property
    def where_logs_are(self) -> str:
        return f"logs are in {self.folder}/logs"

    def check_alive(self) -> None:
        """Raises SiteFailed naming a service that has ended, with the end of its log."""
        for name, process in self.processes.items():
            if not process.is_alive():
                lines = self.log(name).read_text(errors="replace").splitlines()[-5:]
                raise SiteFailed("\n".join([f"{name} has ended; its log is {self.log(name)} and ends:", *lines]))

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"


@contextmanager
def site(folder: Path, *, api_port: int, ingest_port: int, progress: Progress) -> Iterator[Site]:
    """All services ready; all stopped at the end. Raises LocalServersError with words for people."""
    servers = folder / "servers"
    # Leftovers of a killed run end before the ports are looked at: they may hold them.
    with claimed(folder / "services") as pids, interruptible(pids, servers) as interruption:
        _need_free(api_port, "DISPATCHER_API_PORT")
        _need_free(ingest_port, "DISPATCHER_INGEST_PORT")
        with server_urls(servers, progress=progress) as urls:
            known = remembered_keys(folder / "keys.json")
            ports = {name: free_port() for name in SERVICES} | {
                name: port for name, port in (("api", api_port), ("ingest", ingest_port)) if port
            }
            made = Site(folder, _environment(known, ports, urls.amqp, urls.mongodb), ports, known["sample_secret"])
            try:
                _start(made, pids, progress)
                yield made
            finally:
                interruption.begin_stop()
                _stop(made)


def _start(made: Site, pids: Path, progress: Progress) -> None:
    (made.folder / "logs").mkdir(parents=True, exist_ok=True)
    progress("starting the services …")
    for name in SERVICES:
        command = [sys.executable, "-m", f"services.{name}"]
        made.processes[name] = Process(name, command, folder=pids, env=made.env, cwd=PROJECT, log=made.log(name))
    deadline = time.monotonic() + READY_SECONDS
    waiting = list(SERVICES)
    while waiting:
        made.check_alive()
        waiting = [name for name in waiting if not _is_ready(made.url(name))]
        if time.monotonic() > deadline:
            raise SiteFailed(f"not ready after {READY_SECONDS} s: {', '.join(waiting)}; {made.where_logs_are}")
        time.sleep(0.1)
    progress("the services are ready")


def _stop(made: Site) -> None:
    """All at once, then wait for each: together they have STOP_SECONDS."""
    for process in made.processes.values():
        process.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for process in made.processes.values():
        process.stop(max(0.1, deadline - time.monotonic()))


def _is_ready(url: str) -> bool:
    with suppress(urllib.error.URLError, OSError), _DIRECT.open(url + "/readyz", timeout=3) as answer:
        return bool(answer.status == 200)
    return False


def _environment(known: dict[str, str], ports: dict[str, int], amqp: str, mongodb: str) -> dict[str, str]:
    ours = {
        "AMQP_URL": amqp,
        "MONGODB_URL": mongodb,
        "ADMIN_KEY": os.environ.get("DISPATCHER_ADMIN_KEY") or known["admin_key"],
        "SECRET_KEYS": os.environ.get("DISPATCHER_SECRET_KEYS") or known["secret_keys"],
        "EGRESS_ALLOW": ",".join(filter(None, (os.environ.get("DISPATCHER_EGRESS_ALLOW"), EGRESS_ALLOW))),
        "ALLOW_HTTP": "true",
        "STOP_SECONDS": str(STOP_SECONDS - 2),
        **{f"{name.upper()}_PORT": str(port) for name, port in ports.items()},
    }
    return {**os.environ, **{f"DISPATCHER_{name}": value for name, value in ours.items()}}


def _need_free(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise SiteFailed(f"port {port} is in use: set {variable} to a free one") from None
