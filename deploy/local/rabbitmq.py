"""A private RabbitMQ node from unpacked Debian packages: loopback only, its own epmd, all its files in one folder."""

import signal
from collections.abc import Sequence
from pathlib import Path

from deploy.local.download import Binaries
from deploy.local.errors import ServerFailed
from deploy.local.logs import log_tail
from deploy.local.processes import Process
from deploy.local.readiness import LOOPBACK, accepts_connections, answers_amqp, free_port, wait_until

START_TIMEOUT_SECONDS = 90
STOP_TIMEOUT_SECONDS = 20
# No spinning schedulers, loopback distribution, no terminal input; epmd is started (and stopped) by us.
ERLANG_ARGUMENTS = (
    "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
)
# Keeps "localhost" known where /etc/hosts is missing, as in a bare container.
HOSTS = '{host,{127,0,0,1},["localhost"]}.\n{lookup,[file,native]}.\n'
CONFIG = """\
disk_free_limit.absolute = 50MB
log.file.level = info
log.console = false
raft.wal_max_size_bytes = 67108864
"""


class NativeRabbitMQ:
    """RabbitMQ as a child process; see `deploy.local.servers.Server` for what the methods promise."""

    name = "rabbitmq"
    kind = "native"

    def __init__(self, binaries: Binaries, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._home = folder / self.name
        self._port, self._dist_port, self._epmd_port = free_port(), free_port(), free_port()
        self.url = f"amqp://guest:guest@{LOOPBACK}:{self._port}/"
        self._epmd: Process | None = None
        self._node: Process | None = None

    def start(self) -> None:
        if self._node and self._node.is_alive():
            return
        self._write_files()
        self._start_epmd()
        self._node = self._run("node", ["./sbin/rabbitmq-server"], self._binaries.rabbitmq)
        self._wait_ready(self._node)

    def kill(self) -> None:
        if self._node:
            self._node.kill()

    def pause(self) -> None:
        if self._node:
            self._node.signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._node:
            self._node.signal(signal.SIGCONT)

    def restart(self) -> None:
        if self._node:
            self._node.stop(STOP_TIMEOUT_SECONDS)
        self.start()

    def stop(self) -> None:
        for process in (self._node, self._epmd):
            if process:
                process.stop(STOP_TIMEOUT_SECONDS)

    def _start_epmd(self) -> None:
        if self._epmd and self._epmd.is_alive():
            return
        command: list[str | Path] = [
            self._binaries.erlang / "bin/epmd",
            "-port",
            str(self._epmd_port),
            "-address",
            LOOPBACK,
        ]
        self._epmd = epmd = self._run("epmd", command, self._home)
        if not wait_until(lambda: accepts_connections(self._epmd_port), alive=epmd.is_alive, timeout_seconds=15):
            raise ServerFailed(f"RabbitMQ's epmd did not start. {log_tail(self._home / 'output.log')}")

    def _wait_ready(self, node: Process) -> None:
        if not wait_until(lambda: answers_amqp(self._port), alive=node.is_alive, timeout_seconds=START_TIMEOUT_SECONDS):
            logs = (self._home / "log/node.log", self._home / "output.log")
            raise ServerFailed(f"RabbitMQ did not start. {log_tail(*logs)}")

    def _run(self, name: str, command: Sequence[str | Path], cwd: Path) -> Process:
        log = self._home / "output.log"
        return Process(f"rabbitmq-{name}", command, folder=self._folder, env=self._environment(), cwd=cwd, log=log)

    def _write_files(self) -> None:
        (self._home / "log").mkdir(parents=True, exist_ok=True)
        (self._home / "rabbitmq.conf").write_text(CONFIG)
        (self._home / "hosts").write_text(HOSTS)
        (self._home / "enabled_plugins").write_text("[].\n")

    def _environment(self) -> dict[str, str]:
        """Everything RabbitMQ would otherwise look for in system folders; nothing of the caller's environment."""
        home = self._home
        files = {
            "HOME": home,
            "RABBITMQ_MNESIA_BASE": home / "data",
            "RABBITMQ_MNESIA_DIR": home / "data/node",
            "RABBITMQ_LOG_BASE": home / "log",
            "RABBITMQ_LOGS": home / "log/node.log",
            "RABBITMQ_PID_FILE": home / "pid",
            "RABBITMQ_CONFIG_FILE": home / "rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": home / "none.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": home / "none.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": home / "enabled_plugins",
            "RABBITMQ_SCHEMA_DIR": home / "schema",
            "RABBITMQ_GENERATED_CONFIG_DIR": home / "generated",
            "RABBITMQ_FEATURE_FLAGS_FILE": home / "feature_flags",
            "ERL_INETRC": home / "hosts",
        }
        settings = {
            "RABBITMQ_NODENAME": "dispatcher@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_CRASH_DUMP_SECONDS": "0",
            # "Allow input" makes the script become the Erlang machine instead of its parent: one id to record and kill.
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_START_ARGS": "-noinput +B i",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_ARGUMENTS,
        }
        return self._binaries.environment() | {name: str(path) for name, path in files.items()} | settings
