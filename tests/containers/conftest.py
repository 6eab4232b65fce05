"""The engine, Compose and the image for tests; without an engine these are skipped, and say why."""

import os
from collections.abc import Iterator

import pytest

from deploy.compose.docker import DockerFailed, DockerMissing, compose_command, need_engine
from deploy.compose.image import build
from deploy.images import image_names
from tests.containers.docker import docker, inspected
from tests.tools import tool


@pytest.fixture(scope="session")
def engine() -> None:
    try:
        need_engine()
    except DockerMissing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def compose() -> Iterator[None]:
    """Compose 2 can be found: this machine's, or one from a Debian package."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            compose_command()
        except DockerMissing:
            folder = tool("docker-compose", package="docker-compose", suite="trixie").parent
            patch.setenv("PATH", f"{os.environ['PATH']}:{folder}")
        yield


@pytest.fixture(scope="session")
def base(engine: None) -> str:
    name = image_names()["PYTHON_IMAGE"]
    try:
        inspected("image", name)
    except DockerFailed:
        docker("pull", "--quiet", name)
    return name


@pytest.fixture(scope="session")
def image(base: str) -> str:
    """Built from what is here."""
    build()
    return image_names()["DISPATCHER_IMAGE"]
