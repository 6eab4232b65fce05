"""deploy/images.env is the only place that names images; what the image is and what it is called fit each other."""

import re
from pathlib import Path

import pytest

from deploy.images import image_names
from services import health
from services.__main__ import NAMES
from shared import VERSION
from shared.settings import ALL_SETTINGS

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "deploy"
REPOSITORIES = sorted({name.rpartition(":")[0] for name in image_names().values()})
NAMED = re.compile(rf"(?<![\w/-])(?:{'|'.join(map(re.escape, REPOSITORIES))}):(?!\d{{4,5}}\b)[v0-9][\w.-]*")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def text_files() -> list[Path]:
    everything = [path for folder in ("deploy", "tests", ".ci") for path in (PROJECT / folder).rglob("*")]
    kinds = {".py", ".yml", ".yaml", ".sh", ".json", ".toml", ""}
    return [path for path in (*everything, PROJECT / "Makefile") if path.is_file() and path.suffix in kinds]


def test_no_other_file_gives_an_image_another_name() -> None:
    found = {(path.name, name) for path in text_files() for name in NAMED.findall(path.read_text())}
    assert {name for _, name in found} <= set(image_names().values()), found


def test_the_compose_file_and_the_dockerfile_take_their_images_from_there() -> None:
    composed = re.findall(r"^ +image: (.+)$", (DEPLOY / "compose.yml").read_text(), re.MULTILINE)
    assert {name[2:-1] for name in composed} == set(image_names()) - {"PYTHON_IMAGE"}
    assert {line for line in DOCKERFILE.splitlines() if line.startswith("FROM")} == {
        "FROM ${PYTHON_IMAGE} AS builder",
        "FROM ${PYTHON_IMAGE}",
    }


def test_our_image_is_called_after_the_version() -> None:
    assert image_names()["DISPATCHER_IMAGE"] == f"webhook-dispatcher:{VERSION}"
    assert f'version = "{VERSION}"' in (PROJECT / "pyproject.toml").read_text()


def test_the_image_sets_every_port_to_its_default_and_listens_to_all() -> None:
    defaults = {name: str(field.default) for settings in ALL_SETTINGS for name, field in settings.model_fields.items()}
    listens = {f"{service}_{what}" for service in health.SERVICES for what in ("host", "port")}
    told = {name.lower(): value for name, value in re.findall(r"DISPATCHER_(\w+)=(\S+)", DOCKERFILE)}
    assert told == {name: "0.0.0.0" if name.endswith("_host") else defaults[name] for name in listens}


@pytest.mark.parametrize("name", NAMES)
def test_the_image_s_entry_names_what_is_there(name: str) -> None:
    folder = PROJECT / "services"
    assert (folder / name / "__main__.py").exists() or (folder / f"{name}.py").exists()


def test_the_entry_names_every_service() -> None:
    there = {path.parent.name for path in (PROJECT / "services").glob("*/__main__.py")}
    assert there == {*health.SERVICES, "cli"}
    assert there < set(NAMES)


@pytest.mark.parametrize(
    ("command", "services"),
    [
        ("python -m services api", ("api",)),
        ("python -m services.fanout", ("fanout",)),
        ("/sbin/docker-init -- python -m services all", health.SERVICES),
        ("python -m services cli status --service api", ()),
        ("/pause", ()),
    ],
)
def test_the_health_check_knows_what_runs_by_the_command_line(command: str, services: tuple[str, ...]) -> None:
    assert health.running(command.replace(" ", "\0").encode() + b"\0") == services
