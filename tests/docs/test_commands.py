"""Every shell block of the README and of `docs/` does what it is there for, on a site that `make run` started."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.site import TENANT
from tests import forks
from tests.cluster import free_port
from tests.docs.pages import PAGES, PROJECT, Block, Page
from tests.docs.reader import Reader
from tests.docs.trouble import broken_endpoint, call, made
from tests.e2e.test_run import env_of, started
from tests.prometheus import prometheus
from tests.tools import tool

ELSEWHERE = {
    "run": "tests/e2e/test_run.py::test_run_stays_up_refuses_a_second_survives_a_kill_and_stops_in_time",
    "demo": "tests/e2e/test_run.py::test_demo_delivers_and_verifies_each_event_type_and_leaves_nothing",
    "test": "what runs this",
    "check": "a part of make test",
    "faults": "a part of make test",
    "up": "tests/containers/test_site.py::test_up_delivers_one_event_of_each_type_as_the_sample_itself_tells",
    "down": "tests/containers/test_site.py",
}
"""Targets of make that pages name, and who runs what they start."""
RUNBOOKS = "docs/runbooks/"
"""What is under "Remedy" there is run by tests/faults/test_runbooks.py, each behind its fault."""
_MAKE = re.compile(r"make ([a-z0-9-]+)(?: [A-Z]+=\w+)*(?: +#.*)?")


def only_make(text: str) -> list[str]:
    """The targets of a block of nothing but `make`; none for another block."""
    lines = [line for line in text.splitlines() if line]
    targets = [match[1] for line in lines if (match := _MAKE.fullmatch(line))]
    return targets if len(targets) == len(lines) else []


@pytest.fixture(scope="module")
def site(servers_folder: Path) -> Iterator[Path]:
    """The folder in which a reader stands: `make run` is up in its `.local`, and something there needs an operator."""
    folder = servers_folder / "docs"
    (folder / ".local").mkdir(parents=True)
    ports = {"API_PORT": str(free_port()), "INGEST_PORT": str(free_port())}
    with started("run", folder / ".local", **ports) as run, broken_endpoint() as endpoint:
        run.wait_for((folder / ".local/env").exists)
        made(env_of(folder / ".local"), endpoint)
        yield folder


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def judge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """A Prometheus that understands what runbooks ask it, and has nothing to say to it."""
    promtool = tool("promtool", package="prometheus").parent
    async with prometheus(tmp_path_factory.mktemp("judge")) as made:
        yield {"PROMETHEUS": made.url, "PATH": f"{promtool}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def door(site: Path) -> Iterator[str]:
    """Behind it operators' commands start at once, in the reader's folder: see `tests/forks.py`."""
    with tempfile.TemporaryDirectory() as short:
        door = f"{short}/door"
        command = [sys.executable, "-m", "tests.forks", door]
        env = {**os.environ, "PYTHONPATH": str(PROJECT)}
        with subprocess.Popen(command, cwd=site, env=env, stdout=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            yield door
            process.kill()


@pytest.fixture
def reader(site: Path, door: str) -> Reader:
    """Has the site's variables, as the README says how to get them, and an API key of a tenant."""
    if not shutil.which("curl"):
        pytest.skip("curl is not on this machine")
    env = env_of(site / ".local")
    body = {"tenant_id": TENANT, "scopes": ["admin"]}
    key = call(env, env["DISPATCHER_API_URL"] + "/api/v1/api-keys", body)["key"]
    ours = {"API": env["DISPATCHER_API_URL"], "KEY": key, "FORKS": forks.__file__, "FORKS_DOOR": door}
    return Reader(site, env={**env, **ours})


def commands(page: Page) -> list[Block]:
    """What a reader of this page runs here."""
    blocks = [block for block in page.blocks("sh") if not block.not_run_because and not only_make(block.text)]
    return [block for block in blocks if not (block.page.startswith(RUNBOOKS) and block.section == "Remedy")]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_a_page_s_commands_work_one_after_the_other(page: Page, reader: Reader, request: pytest.FixtureRequest) -> None:
    if page.name.startswith(RUNBOOKS):
        reader.env |= request.getfixturevalue("judge")
    for block in commands(page):
        reader.follow(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_of_make_exist_and_something_runs_them(page: Page) -> None:
    makefile = (PROJECT / "Makefile").read_text()
    for target in re.findall(r"`(?:[A-Z_]+=\w+ )?make ([a-z0-9-]+)", page.text):
        assert f"\n{target}:" in makefile, f"make {target}"
    for block in page.blocks("sh"):
        for target in only_make(block.text):
            assert f"\n{target}:" in makefile, f"{block}: make {target}"
            assert block.not_run_because or target in ELSEWHERE, f"{block}: who runs make {target}?"


def test_what_is_run_elsewhere_is() -> None:
    for where in ELSEWHERE.values():
        if "::" in where:
            file, test = where.split("::")
            assert f"def {test}(" in (PROJECT / file).read_text()


def test_a_reader_notices_an_error_and_copies_ids(site: Path) -> None:
    reader = Reader(site, env={"API": env_of(site / ".local")["DISPATCHER_API_URL"]})

    def block(text: str) -> Block:
        return Block("page", "section", 1, "sh", "", text)

    with pytest.raises(AssertionError, match="UNAUTHORIZED"):
        reader.follow(block("curl $API/api/v1/webhooks"))
    with pytest.raises(AssertionError, match="unbound variable"):
        reader.follow(block("echo $WEBHOOK"))
    reader.follow(block("echo webhook_0123456789abcdef01234567"))
    assert reader.follow(block("echo $WEBHOOK webhook_…")).split() == ["webhook_0123456789abcdef01234567"] * 2
