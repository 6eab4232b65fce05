"""RabbitMQ and MongoDB as a careful operator runs them: TLS, users with passwords, a virtual host, least rights."""

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from pymongo import MongoClient

from deploy.local.download import Binaries
from deploy.local.mongodb import NativeMongoDB
from deploy.local.processes import Process
from deploy.local.progress import TerminalProgress
from deploy.local.rabbitmq import CONFIG, NativeRabbitMQ
from deploy.local.readiness import LOOPBACK, free_port, wait_until
from deploy.local.servers import ServerUrls, running
from tests.certificates import Authority

USER, PASSWORD = "dispatcher", "p@ss/word:with?everything"
VHOST = "learning/prod"
DATABASE = "deliveries_of_prod"
_CREDENTIALS = f"{USER}:{quote(PASSWORD, safe='')}"


class SecuredRabbitMQ(NativeRabbitMQ):
    """TLS on a port of its own; its one user is the dispatcher's, on its virtual host only."""

    def __init__(self, binaries: Binaries, folder: Path, certificate: Path, authority: Path) -> None:
        super().__init__(binaries, folder)
        self._certificate = certificate
        self._authority = authority
        self._tls_port = free_port()
        self.url = f"amqps://{_CREDENTIALS}@{LOOPBACK}:{self._tls_port}/{quote(VHOST, safe='')}"

    def _write_files(self) -> None:
        super()._write_files()
        definitions = self._home / "definitions.json"
        definitions.write_text(json.dumps(_definitions()))
        secured = (
            f"listeners.ssl.default = {LOOPBACK}:{self._tls_port}",
            f"ssl_options.cacertfile = {self._authority}",
            f"ssl_options.certfile = {self._certificate}",
            f"ssl_options.keyfile = {self._certificate}",
            f"load_definitions = {definitions}",
        )
        (self._home / "rabbitmq.conf").write_text("\n".join([CONFIG, *secured, ""]))


def _definitions() -> dict[str, object]:
    salt = os.urandom(4)
    hashed = base64.b64encode(salt + hashlib.sha256(salt + PASSWORD.encode()).digest()).decode()
    user = {"name": USER, "password_hash": hashed, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""}
    rights = {"user": USER, "vhost": VHOST, "configure": ".*", "write": ".*", "read": ".*"}
    return {"users": [user], "vhosts": [{"name": VHOST}], "permissions": [rights]}


class SecuredMongoDB(NativeMongoDB):
    """Starts open, to be given its user, and again with TLS and passwords required."""

    def __init__(self, binaries: Binaries, folder: Path, certificate: Path, authority: Path) -> None:
        super().__init__(binaries, folder)
        self._certificate = certificate
        self._authority = authority
        self._secured = False

    def start(self) -> None:
        if not self._secured:
            super().start()
            self._make_user()
            self.stop()
            self._secured = True
            nobody = f"{LOOPBACK}:{free_port()}"  # a member that is away
            query = f"replicaSet=rs0&authSource=admin&tls=true&tlsCAFile={quote(str(self._authority))}"
            self.url = f"mongodb://{_CREDENTIALS}@{nobody},{LOOPBACK}:{self._port}/?{query}"
        super().start()

    def _make_user(self) -> None:
        with MongoClient[dict[str, object]](self.url) as client:
            client.admin.command("createUser", USER, pwd=PASSWORD, roles=[{"role": "readWrite", "db": DATABASE}])

    def _options(self) -> list[str | Path]:
        if not self._secured:
            return super()._options()
        key = self._home / "members.key"
        if not key.exists():
            key.write_bytes(base64.b64encode(os.urandom(48)))
            key.chmod(0o400)
        tls = ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", self._certificate, "--tlsCAFile", self._authority]
        return [*super()._options(), "--auth", "--keyFile", key, *tls, "--tlsAllowConnectionsWithoutCertificates"]

    def _wait_ready(self, process: Process) -> None:
        if not self._secured:
            return super()._wait_ready(process)
        assert wait_until(self._is_primary, alive=process.is_alive, timeout_seconds=60), "no secured primary"
        return None

    def _is_primary(self) -> bool:
        with MongoClient[dict[str, object]](self.url, serverSelectionTimeoutMS=30_000) as client:
            return bool(client.admin.command("hello")["isWritablePrimary"])


@contextmanager
def secured_servers(binaries: Binaries, folder: Path, authority: Authority) -> Iterator[ServerUrls]:
    """Addresses that name no authority yet for RabbitMQ: who connects says whom to trust."""
    certificate = authority.sign(LOOPBACK).write(folder / "server.pem")
    trusted = folder / "authority.pem"
    trusted.write_bytes(authority.pem)
    rabbitmq = SecuredRabbitMQ(binaries, folder, certificate, trusted)
    mongodb = SecuredMongoDB(binaries, folder, certificate, trusted)
    with running(rabbitmq, mongodb, progress=TerminalProgress()):
        yield ServerUrls(f"{rabbitmq.url}?cafile={trusted}", mongodb.url)
