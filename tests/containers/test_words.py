"""What `make image` and `make up` say on a machine where something of Docker is missing."""

from pathlib import Path

import pytest

from deploy.compose.docker import DockerMissing, compose_command, need_engine


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_docker_the_words_say_where_to_get_it_and_what_does_without(programs: Path) -> None:
    with pytest.raises(DockerMissing, match=r"install.*make run"):
        need_engine()


def test_without_an_engine_the_words_say_why_and_how_to_start_one(programs: Path) -> None:
    put(programs, "docker", "echo 'permission denied at the socket' >&2; exit 1")
    with pytest.raises(DockerMissing, match=r"permission denied at the socket.*systemctl start docker.*DOCKER_HOST"):
        need_engine()


@pytest.mark.parametrize("version", ["exit 1", "echo 1.29.2"])
def test_without_compose_2_the_words_say_where_to_get_it(programs: Path, version: str) -> None:
    put(programs, "docker", version)
    put(programs, "docker-compose", version)
    with pytest.raises(DockerMissing, match=r"Compose 2.*install"):
        compose_command()


def test_compose_is_dockers_plugin_or_a_program_of_its_own(programs: Path) -> None:
    put(programs, "docker-compose", "echo v2.26.1")
    assert compose_command() == ["docker-compose"]
    put(programs, "docker", "echo 2.26.1")
    assert compose_command() == ["docker", "compose"]
