"""Docker's commands, as tests use them."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deploy.compose.docker import answer_of
from deploy.images import image_names


def docker(*arguments: str) -> str:
    """Its output; fails the test when it fails."""
    return answer_of(["docker", *arguments])


def inspected(kind: str, name: str) -> dict[str, Any]:
    """`kind` is `image` or `container`."""
    [found] = json.loads(docker(kind, "inspect", name))
    assert isinstance(found, dict)
    return found


def health(container: str) -> str:
    return str(inspected("container", container)["State"]["Health"]["Status"])


def is_well(container: str) -> bool:
    """Asked now, instead of waiting for the engine's next look; servers have no check of ours."""
    config = inspected("container", container)["Config"]
    if config["Image"] != image_names()["DISPATCHER_IMAGE"]:
        return health(container) == "healthy"
    asked = subprocess.run(["docker", "exec", container, *config["Healthcheck"]["Test"][1:]], capture_output=True)
    return asked.returncode == 0


def once(image: str, *command: str, entrypoint: str | None = None) -> "subprocess.CompletedProcess[str]":
    """A container that ends by itself; nothing of the machine is open to it."""
    options = ["--rm", "--read-only", "--cap-drop", "ALL", "--network", "none"]
    options += ["--entrypoint", entrypoint] if entrypoint else []
    return subprocess.run(["docker", "run", *options, image, *command], capture_output=True, text=True)


@contextmanager
def running(image: str, *command: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """A container in the background, by its id."""
    container = docker("run", "--detach", "--read-only", "--cap-drop", "ALL", *options, image, *command)
    try:
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)
