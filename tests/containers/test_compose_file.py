"""deploy/compose.yml as Compose reads it: every container is shut in, and nothing is open beyond this machine."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.compose.project import Project
from deploy.images import image_names
from deploy.local.download import PROJECT
from services.health import SERVICES
from shared.settings import ALL_SETTINGS, DrainSettings
from tests.tools import tool

OURS = (*SERVICES, "sample", "replica-set")
RAN_HERE = (*OURS, "rabbitmq", "mongo")
WITH_METRICS = (*RAN_HERE, "prometheus", "grafana")


@pytest.fixture(scope="module")
def services(compose: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    project = Project(tmp_path_factory.mktemp("compose"), "dispatcher-file")
    read = json.loads(project.answer("--profile", "metrics", "config", "--format", "json"))
    found: dict[str, Any] = read["services"]
    assert set(found) == set(WITH_METRICS)
    return found


@pytest.mark.parametrize("name", OURS)
def test_what_runs_our_image_can_write_nothing_and_gain_nothing(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["image"] == image_names()["DISPATCHER_IMAGE"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "user" not in service
    assert not service.get("privileged")


@pytest.mark.parametrize("name", WITH_METRICS)
def test_every_container_is_bounded_and_open_to_this_machine_only(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["image"] in image_names().values()
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert service["restart"] in ("unless-stopped", "on-failure")
    assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_longer_to_stop_than_it_takes(services: dict[str, Any], name: str) -> None:
    assert int(services[name]["stop_grace_period"].removesuffix("s")) > DrainSettings().stop_seconds + 2


def test_every_file_that_a_container_reads_is_there(services: dict[str, Any]) -> None:
    read = [
        volume for service in services.values() for volume in service.get("volumes", ()) if volume["type"] == "bind"
    ]
    assert len(read) == 5
    assert all(Path(volume["source"]).exists() and volume["read_only"] for volume in read)


@pytest.mark.parametrize(("more", "allowed"), [("", ""), ("10.0.0.0/8", ",10.0.0.0/8")])
def test_beside_the_sample_s_only_addresses_that_were_asked_for_are_allowed(
    compose: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, allowed: str
) -> None:
    monkeypatch.setenv("DISPATCHER_EGRESS_ALLOW", more)
    read = json.loads(Project(tmp_path, "dispatcher-file").answer("config", "--format", "json"))
    told = read["services"]["delivery"]["environment"]["DISPATCHER_EGRESS_ALLOW"]
    [network] = read["networks"]["sample"]["ipam"]["config"]
    assert told == f"{network['subnet']}:9000{allowed}"


def test_only_the_services_reach_the_database(services: dict[str, Any]) -> None:
    near = {name for name, service in services.items() if "stores" in service["networks"]}
    assert near == {*SERVICES, "mongo", "replica-set"}
    assert list(services["mongo"]["networks"]) == ["stores"]


def test_prometheus_accepts_its_configuration_and_rules() -> None:
    promtool = tool("promtool", package="prometheus")
    config = PROJECT / "deploy/prometheus/prometheus.yml"
    checked = subprocess.run([promtool, "check", "config", config], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_it_looks_for_every_service_at_its_port() -> None:
    config = yaml.safe_load((PROJECT / "deploy/prometheus/prometheus.yml").read_text())
    [job] = config["scrape_configs"]
    looked_for = {name: found["port"] for found in job["dns_sd_configs"] for name in found["names"]}
    ports = {name: str(field.default) for settings in ALL_SETTINGS for name, field in settings.model_fields.items()}
    assert {f"{name}_port": str(port) for name, port in looked_for.items()} == {
        f"{name}_port": ports[f"{name}_port"] for name in SERVICES
    }


def test_keys_are_made_once_and_are_their_owners_alone(compose: None, tmp_path: Path) -> None:
    first, second = Project(tmp_path, "dispatcher-file"), Project(tmp_path, "dispatcher-file")
    assert first.env == second.env
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
