"""A private MongoDB server, a replica set of one, all its files in one folder."""

import signal
from pathlib import Path

from deploy.local.download import Binaries
from deploy.local.errors import ServerFailed
from deploy.local.logs import log_tail
from deploy.local.processes import Process
from deploy.local.readiness import LOOPBACK, free_port, wait_until
from deploy.local.replica_set import REPLICA_SET, is_writable_primary

START_TIMEOUT_SECONDS = 90
STOP_TIMEOUT_SECONDS = 20
# One thread writes dirty pages back: the usual four would take turns at taking all cores of a small machine.
OPTIONS = f"""
    --replSet {REPLICA_SET} --quiet --logappend --nounixsocket
    --wiredTigerCacheSizeGB 2 --oplogSize 1024
    --wiredTigerEngineConfigString eviction=(threads_min=1,threads_max=1)
    --setParameter diagnosticDataCollectionEnabled=false
""".split()


def replica_set_url(port: int) -> str:
    return f"mongodb://{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}"


class NativeMongoDB:
    """mongod as a child process; see `deploy.local.servers.Server` for what the methods promise."""

    name = "mongodb"
    kind = "native"

    def __init__(self, binaries: Binaries, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._home = folder / self.name
        self._port = free_port()
        self.url = replica_set_url(self._port)
        self._process: Process | None = None

    def start(self) -> None:
        if self._process and self._process.is_alive():
            return
        (self._home / "data").mkdir(parents=True, exist_ok=True)
        self._process = self._run()
        self._wait_ready(self._process)

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def pause(self) -> None:
        if self._process:
            self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process:
            self._process.signal(signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        if self._process:
            self._process.stop(STOP_TIMEOUT_SECONDS)

    def _run(self) -> Process:
        places: list[str | Path] = ["--dbpath", self._home / "data", "--logpath", self._home / "mongod.log"]
        listen = ["--bind_ip", LOOPBACK, "--port", str(self._port)]
        command = [self._binaries.mongod, *listen, *places, *self._options()]
        log, env = self._home / "output.log", self._binaries.environment()
        return Process(self.name, command, folder=self._folder, env=env, cwd=self._home, log=log)

    def _options(self) -> list[str | Path]:
        return [*OPTIONS]

    def _wait_ready(self, process: Process) -> None:
        if not wait_until(
            lambda: is_writable_primary(f"{LOOPBACK}:{self._port}"),
            alive=process.is_alive,
            timeout_seconds=START_TIMEOUT_SECONDS,
        ):
            logs = (self._home / "mongod.log", self._home / "output.log")
            raise ServerFailed(f"MongoDB did not start. {log_tail(*logs)}")
