"""Finds Docker on this machine: program, Compose 2, an engine that answers. Says what to do where one is missing."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence

from deploy.local.errors import LocalServersError

NO_DOCKER = "Docker is needed and not installed: https://docs.docker.com/engine/install (`make run` needs none)"
NO_ENGINE = "no Docker engine answers ({why}): start it (`sudo systemctl start docker`), or name another in DOCKER_HOST"
NO_COMPOSE = "Docker Compose 2 is needed and not installed: https://docs.docker.com/compose/install"


class DockerMissing(LocalServersError):
    """Something of Docker is not here."""


class DockerFailed(LocalServersError):
    """Docker was asked and did not do it."""


def need_engine() -> None:
    """Raises DockerMissing."""
    if not shutil.which("docker"):
        raise DockerMissing(NO_DOCKER)
    asked = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], check=False, capture_output=True, text=True
    )
    if asked.returncode:
        why = (asked.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DockerMissing(NO_ENGINE.format(why=why))


def compose_command() -> list[str]:
    """`docker compose` or `docker-compose`. Raises DockerMissing; Compose 1 is too old to wait for health."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and _version_of(command) >= 2:
            return command
    raise DockerMissing(NO_COMPOSE)


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    """Its output is for the person: Docker shows progress and trouble itself."""
    if code := subprocess.run(command, env=env, check=False).returncode:
        raise DockerFailed(f"{command[0]} has said why, exit code {code}")


def answer_of(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    asked = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    if asked.returncode:
        raise DockerFailed(f"{' '.join(command[:2])} failed: {asked.stderr.strip()}")
    return asked.stdout.strip()


def _version_of(command: Sequence[str]) -> int:
    """Its first number; 0 when there is none."""
    asked = subprocess.run([*command, "version", "--short"], check=False, capture_output=True, text=True)
    first = asked.stdout.strip().removeprefix("v").split(".")[0]
    return int(first) if asked.returncode == 0 and first.isdigit() else 0
