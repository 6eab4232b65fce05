"""RabbitMQ and MongoDB for this machine: private native copies where they are possible, else containers."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from deploy.local.download import fetch, native_copies_are_possible
from deploy.local.errors import NoServers
from deploy.local.folder import claimed
from deploy.local.mongodb import NativeMongoDB
from deploy.local.progress import Progress
from deploy.local.rabbitmq import NativeRabbitMQ

Kind = Literal["auto", "native", "docker"]
WHAT_TO_DO = "start a Docker engine, or name running servers in DISPATCHER_AMQP_URL and DISPATCHER_MONGODB_URL"


class Server(Protocol):
    """One server process or container. Port and data stay the same for as long as the object lives."""

    name: str  # "rabbitmq" or "mongodb"
    kind: str  # "native" or "docker"
    url: str

    def start(self) -> None:
        """Returns when the server takes work: the broker answers AMQP, the database is a writable primary."""

    def kill(self) -> None:
        """SIGKILL; the data stay as they are."""

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""

    def resume(self) -> None: ...

    def restart(self) -> None:
        """After `kill`, or with a clean stop before; returns when ready as `start` does."""

    def stop(self) -> None:
        """A clean stop; harmless when repeated, or when the server is paused or dead."""


@dataclass(frozen=True)
class Servers:
    rabbitmq: Server
    mongodb: Server


@dataclass(frozen=True)
class ServerUrls:
    amqp: str
    mongodb: str


@dataclass(frozen=True)
class Supplier:
    """Makes servers of one kind, not yet started, with their data in the given folder."""

    kind: str
    rabbitmq: Callable[[Path], Server]
    mongodb: Callable[[Path], Server]


def find_supplier(kind: Kind, progress: Progress) -> Supplier:
    """Native copies (downloaded here, once), else containers; NoServers names what was missing."""
    reasons = []
    if kind != "docker":
        try:
            return native_supplier(progress)
        except NoServers as reason:
            reasons.append(f"native copies: {reason}")
    if kind != "native":
        try:
            return docker_supplier(progress)
        except NoServers as reason:
            reasons.append(f"containers: {reason}")
    raise NoServers(f"No RabbitMQ and MongoDB here: {WHAT_TO_DO} ({'; '.join(reasons)}).")


def native_supplier(progress: Progress) -> Supplier:
    if not native_copies_are_possible():
        raise NoServers("only on Linux x86-64 with apt")
    binaries = fetch(progress)
    return Supplier(
        kind="native",
        rabbitmq=lambda folder: NativeRabbitMQ(binaries, folder),
        mongodb=lambda folder: NativeMongoDB(binaries, folder),
    )


def docker_supplier(progress: Progress) -> Supplier:
    try:
        from deploy.local import containers  # development requirements, which native copies do without
    except ImportError:
        raise NoServers("they need a Docker engine and `make setup` before") from None
    engine = containers.find_engine(progress)
    return Supplier(
        kind="docker",
        rabbitmq=lambda folder: containers.DockerRabbitMQ(engine, folder),
        mongodb=lambda folder: containers.DockerMongoDB(engine, folder),
    )


@contextmanager
def local_servers(folder: Path, *, kind: Kind = "auto", progress: Progress) -> Iterator[Servers]:
    """Starts both side by side, their data in folder, and stops both at the end; leftovers of a killed run go first."""
    supplier = find_supplier(kind, progress)
    with claimed(folder) as data:
        servers = Servers(supplier.rabbitmq(data), supplier.mongodb(data))
        with running(servers.rabbitmq, servers.mongodb, progress=progress):
            yield servers


@contextmanager
def server_urls(folder: Path, environ: Mapping[str, str] = os.environ, *, progress: Progress) -> Iterator[ServerUrls]:
    """Addresses for the services: what DISPATCHER_AMQP_URL and DISPATCHER_MONGODB_URL name, else local servers."""
    amqp, mongodb = environ.get("DISPATCHER_AMQP_URL"), environ.get("DISPATCHER_MONGODB_URL")
    if amqp and mongodb:
        yield ServerUrls(amqp, mongodb)
        return
    supplier = find_supplier("auto", progress)
    with claimed(folder) as data:
        local = [make(data) for make, url in ((supplier.rabbitmq, amqp), (supplier.mongodb, mongodb)) if not url]
        with running(*local, progress=progress):
            urls = {server.name: server.url for server in local}
            yield ServerUrls(amqp or urls["rabbitmq"], mongodb or urls["mongodb"])


@contextmanager
def running(*servers: Server, progress: Progress) -> Iterator[None]:
    """Starts servers side by side and stops them side by side, whatever happens in between."""
    try:
        _start_all(servers, progress)
        yield
    finally:
        _stop_all(servers)


def _start_all(servers: Sequence[Server], progress: Progress) -> None:
    with ThreadPoolExecutor() as pool:
        starting = [pool.submit(_start, server, progress) for server in servers]
        try:
            for started in as_completed(starting):
                started.result()
        except BaseException:
            for server in servers:
                server.kill()  # nobody should wait for a start that is no longer wanted
            raise


def _start(server: Server, progress: Progress) -> None:
    progress(f"starting {server.name} ({server.kind}) …")
    server.start()
    progress(f"{server.name} is ready ({server.kind}): {server.url}")


def _stop_all(servers: Sequence[Server]) -> None:
    with ThreadPoolExecutor() as pool:
        for stopped in [pool.submit(server.stop) for server in servers]:
            stopped.result()
