"""The image: small, without rights, without tools, without secrets, and each service runs from it."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.local.download import PROJECT
from services.health import SERVICES
from shared import VERSION
from tests.cluster import SECRET_KEYS, until
from tests.containers.docker import docker, health, inspected, once, running
from tests.containers.layers import files_of

MOST_BYTES_OVER_BASE = 250_000_000
TOOLS = ("gcc", "cc", "g++", "c++", "ld", "as", "make", "git", "uv")
PRIVATE_NAMES = re.compile(r"(^|/)(\.env[^/]*|\.git|\.local|keys\.json|id_[a-z0-9]+|.*\.key)(/|$)")
PRIVATE_TEXT = re.compile(rb"BEGIN [A-Z ]*PRIVATE KEY-----\n|scorm_[A-Za-z0-9_-]{43}")
PRIVATE_STEP = re.compile(r"(?i)(password|token|secret|key)s?=")
QUICK_HEALTH = ("--health-interval", "1s", "--health-timeout", "3s", "--health-retries", "2")


def test_it_adds_less_than_250_mb_to_its_base(image: str, base: str) -> None:
    assert 0 < inspected("image", image)["Size"] - inspected("image", base)["Size"] < MOST_BYTES_OVER_BASE


def test_it_runs_as_a_numbered_user_by_the_exec_form_and_stops_by_sigterm(image: str) -> None:
    config = inspected("image", image)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["python", "-m", "services"]
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "services", "health"]
    assert config["StopSignal"] == "SIGTERM"


def test_its_labels_say_what_it_is(image: str) -> None:
    labels = inspected("image", image)["Config"]["Labels"]
    told = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    assert told["title"] == "webhook-dispatcher"
    assert told["version"] == VERSION == image.split(":")[1]
    assert told["description"]
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", told["revision"])


def test_nothing_in_it_can_build_or_install(image: str) -> None:
    look = f"import shutil; print([tool for tool in {TOOLS} if shutil.which(tool)]); import pip"
    answer = once(image, "-c", look, entrypoint="python")
    assert answer.stdout == "[]\n"
    assert "No module named 'pip'" in answer.stderr


def test_it_holds_the_services_alone_with_all_bytecode(image: str) -> None:
    look = """
from pathlib import Path
modules = list(Path("/app").rglob("*.py"))
print(sorted(path.name for path in Path("/app").iterdir()), len(modules) > 100)
print([path for path in modules if not list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc"))])
"""
    assert once(image, "-c", look, entrypoint="python").stdout == "['services', 'shared'] True\n[]\n"


def test_no_layer_and_no_step_holds_a_secret(image: str, base: str, tmp_path: Path) -> None:
    known = [file.read_bytes() for file in (PROJECT / ".local").glob("**/keys.json")]
    secrets = {word for text in known for word in re.findall(rb'": "([^"]{16,})"', text)}
    below = len(inspected("image", base)["RootFS"]["Layers"])
    seen = 0
    for name, content in files_of(image, above=below, folder=tmp_path):
        seen += 1
        assert not PRIVATE_NAMES.search(name), name
        assert not PRIVATE_TEXT.search(content), name
        assert not any(secret in content for secret in secrets), name
    assert seen > 1_000
    assert not PRIVATE_STEP.search(docker("history", "--no-trunc", image))


def test_what_is_private_never_reaches_the_engine(engine: None, tmp_path: Path) -> None:
    wanted = ["requirements.txt", "services/api/app.py", "shared/logs.py"]
    private = [".env", ".git/config", ".local/run/keys.json", "deploy/.env", "services/__pycache__/a.pyc", "tests/a.py"]
    for name in wanted + private:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / ".dockerignore").write_text((PROJECT / ".dockerignore").read_text())
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    docker("build", "--tag", "dispatcher-context", str(tmp_path))
    try:
        assert sorted(name for name, _ in files_of("dispatcher-context", folder=tmp_path)) == wanted
    finally:
        docker("image", "rm", "dispatcher-context")


def test_it_says_what_it_can_run(image: str) -> None:
    without = once(image)
    assert without.returncode == 2
    assert all(name in without.stderr for name in (*SERVICES, "all", "cli"))
    assert once(image, "cli", "--help").returncode == 0


@pytest.fixture
def alone(image: str) -> Iterator[dict[str, str]]:
    """Each service and all in one, in a container without network, with a read-only file system and no capability."""
    options = ("--network", "none", *QUICK_HEALTH, "--env", f"DISPATCHER_SECRET_KEYS={SECRET_KEYS}")
    with ExitStack() as stack:
        yield {name: stack.enter_context(running(image, name, options=options)) for name in (*SERVICES, "all")}


async def test_each_service_is_well_without_rights_and_one_that_hangs_is_not(alone: dict[str, str]) -> None:
    def are(wanted: str, *names: str) -> bool:
        return all(health(alone[name]) == wanted for name in names)

    await until(lambda: are("healthy", *alone), 60, lambda: docker("ps"), every=0.5)
    docker("kill", "--signal", "STOP", alone["delivery"])
    await until(lambda: are("unhealthy", "delivery"), 30, lambda: docker("ps"), every=0.5)
    docker("kill", "--signal", "CONT", alone["delivery"])
    await until(lambda: are("healthy", *alone), 30, lambda: docker("ps"), every=0.5)


def test_a_stopped_service_has_ended_by_itself(image: str) -> None:
    with running(image, "api", options=("--network", "none", "--env", f"DISPATCHER_SECRET_KEYS={SECRET_KEYS}")) as api:
        docker("exec", api, "python", "-c", "")  # by now its handler is there
        docker("stop", "--time", "60", api)
        assert inspected("container", api)["State"]["ExitCode"] == 0
