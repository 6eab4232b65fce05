"""RabbitMQ and MongoDB for tests: real ones that the tests start, shared by a session or private to one test.

`DISPATCHER_TEST_SERVERS=auto|native|docker` chooses their kind. Servers named for `make run` are never touched.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import get_args

import pytest

from deploy.local.download import PROJECT
from deploy.local.folder import claimed, sweep
from deploy.local.progress import TerminalProgress
from deploy.local.servers import Kind, Server, Servers, Supplier, find_supplier, running

CHOICE = "DISPATCHER_TEST_SERVERS"


class PrivateServers:
    """Starts servers that nobody else uses, so that a test may kill and pause them; all are stopped at its end."""

    def __init__(self, supplier: Supplier, folder: Path, stack: ExitStack) -> None:
        self._supplier = supplier
        self._folder = folder
        self._stack = stack
        self._numbers = count(1)

    def rabbitmq(self) -> Server:
        return self._started(self._supplier.rabbitmq(self._own_folder()))[0]

    def mongodb(self) -> Server:
        return self._started(self._supplier.mongodb(self._own_folder()))[0]

    def both(self) -> Servers:
        """Started side by side, which saves seconds."""
        folder = self._own_folder()
        rabbitmq, mongodb = self._started(self._supplier.rabbitmq(folder), self._supplier.mongodb(folder))
        return Servers(rabbitmq, mongodb)

    def _own_folder(self) -> Path:
        return self._stack.enter_context(claimed(self._folder / str(next(self._numbers))))

    def _started(self, *servers: Server) -> tuple[Server, ...]:
        self._stack.enter_context(running(*servers, progress=TerminalProgress()))
        return servers


@contextmanager
def private_servers_in(folder: Path, supplier: Supplier) -> Iterator[PrivateServers]:
    """For fixtures of a wider scope than `private_servers`, which lasts one test."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        yield PrivateServers(supplier, Path(tempfile.mkdtemp(prefix="private-", dir=folder)), stack)


def chosen_kind() -> Kind:
    choice = os.environ.get(CHOICE, "auto")
    for kind in get_args(Kind):
        if kind == choice:
            return kind  # type: ignore[no-any-return]  # get_args is untyped
    raise pytest.UsageError(f"{CHOICE} must be one of {', '.join(get_args(Kind))}, not {choice!r}")


@pytest.fixture(scope="session")
def server_supplier() -> Supplier:
    """Makes servers of the kind that was chosen; downloads them the first time."""
    return find_supplier(chosen_kind(), TerminalProgress())


@pytest.fixture(scope="session")
def servers_folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Where this session's servers keep data and logs; kept when a test failed, so that the logs can be read."""
    local = PROJECT / ".local"
    local.mkdir(exist_ok=True)
    for abandoned in local.glob("tests-*"):
        if not sweep(abandoned):
            shutil.rmtree(abandoned, ignore_errors=True)
    with claimed(Path(tempfile.mkdtemp(prefix=f"tests-{os.getpid()}-", dir=local))) as folder:
        yield folder
    if not request.session.testsfailed:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def rabbitmq(server_supplier: Supplier, servers_folder: Path) -> Iterator[Server]:
    """One broker for the whole session, started when the first test asks for it. Do not kill it."""
    server = server_supplier.rabbitmq(servers_folder)
    with running(server, progress=TerminalProgress()):
        yield server


@pytest.fixture(scope="session")
def mongodb(server_supplier: Supplier, servers_folder: Path) -> Iterator[Server]:
    """One database server for the whole session, started when the first test asks for it. Do not kill it."""
    server = server_supplier.mongodb(servers_folder)
    with running(server, progress=TerminalProgress()):
        yield server


@pytest.fixture
def private_servers(server_supplier: Supplier, servers_folder: Path) -> Iterator[PrivateServers]:
    """Starts servers for this test alone, which it may kill, pause and restart."""
    with private_servers_in(servers_folder, server_supplier) as servers:
        yield servers
