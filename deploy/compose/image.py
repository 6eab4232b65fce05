"""Builds the image, under the name that deploy/images.env gives it."""

import subprocess

from deploy.compose.docker import answer_of, run
from deploy.images import image_names
from deploy.local.download import PROJECT
from shared import VERSION

DOCKERFILE = PROJECT / "deploy/Dockerfile"
MEGABYTE = 1_000_000


def build() -> None:
    """Prints its size."""
    names = image_names()
    image = names["DISPATCHER_IMAGE"]
    given = {"PYTHON_IMAGE": names["PYTHON_IMAGE"], "VERSION": VERSION, "REVISION": _revision()}
    arguments = [word for name, value in given.items() for word in ("--build-arg", f"{name}={value}")]
    run(["docker", "build", *arguments, "--file", str(DOCKERFILE), "--tag", image, str(PROJECT)])
    size = int(answer_of(["docker", "image", "inspect", "--format", "{{.Size}}", image]))
    print(f"{image}: {size / MEGABYTE:.0f} MB", flush=True)


def _revision() -> str:
    """The commit; `unknown` without git, marked when there is more than the commit."""
    described = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"],
        cwd=PROJECT,
        check=False,
        capture_output=True,
        text=True,
    )
    return described.stdout.strip() or "unknown"
