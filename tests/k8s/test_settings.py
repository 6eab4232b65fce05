"""The manifests start what there is, with variables that exist, at the ports and paths where it answers."""

import base64
import importlib
import os
from collections.abc import Mapping

import pytest
from aiohttp import ClientSession

from services.__main__ import NAMES
from shared.errors import StartupError
from shared.lifecycle import HttpServer, Service
from shared.settings import ALL_SETTINGS, load
from tests.cluster import free_port
from tests.k8s.rendered import Rendered, secret_example

SETTINGS = {f"DISPATCHER_{name.upper()}" for settings in ALL_SETTINGS for name in settings.model_fields}
SERVICES = {"ingest", "fanout", "delivery", "scheduler", "api"}
NOT_OURS = {"RABBITMQ_DEFAULT_PASS", "KEDA_TLS"}
"""What the Secret holds for others: RabbitMQ's own password, and what KEDA takes from Secrets only."""
REQUIRED = {"DISPATCHER_SECRET_KEYS"}
KEY = "k1:" + base64.b64encode(b"0123456789abcdef" * 2).decode()


def environment(site: Rendered, name: str) -> dict[str, str]:
    """What the service's process would see, with a real key in the place of the placeholder."""
    example = {**secret_example(site.overlay), "DISPATCHER_SECRET_KEYS": KEY}
    given = {variable: example[key] for variable, key in site.services[name].secrets.items()}
    return {**site.configured, **given}


def built(name: str, env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Service:
    for variable in [one for one in os.environ if one.startswith("DISPATCHER_")]:
        monkeypatch.delenv(variable)
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    made: Service = importlib.import_module(f"services.{name}.__main__").build()
    return made


def test_each_service_is_deployed_by_its_name(site: Rendered) -> None:
    assert set(site.services) == SERVICES
    assert {name: made.container["args"] for name, made in site.services.items()} == {name: [name] for name in SERVICES}
    assert site.workloads["migrate"].container["args"] == ["cli", "migrate"]
    assert {"cli", *SERVICES} <= set(NAMES), "what the image's entrypoint runs"
    assert not any("command" in made.container for made in site.services.values()), "the image has its entrypoint"


def test_every_variable_is_a_setting_and_its_value_is_valid(site: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    names = set(site.configured) | {name for made in site.services.values() for name in made.secrets}
    assert names <= SETTINGS
    for name, value in site.configured.items():
        monkeypatch.setenv(name, value)
    for settings in ALL_SETTINGS:
        load(settings)


def test_the_secret_holds_what_pods_take_from_it(site: Rendered) -> None:
    taken = {key for made in site.workloads.values() for key in made.secrets.values()}
    scalers = site.of("TriggerAuthentication")
    taken |= {one["key"] for made in scalers for one in made["spec"]["secretTargetRef"] if one["name"] == "dispatcher"}
    assert set(secret_example(site.overlay)) == taken
    assert taken - SETTINGS <= NOT_OURS
    assert all(name == key for made in site.workloads.values() for name, key in made.secrets.items())
    assert not site.of("Secret"), "none is committed"


@pytest.mark.parametrize("name", sorted(SERVICES))
async def test_a_service_starts_with_what_its_pod_is_given(
    site: Rendered, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = built(name, environment(site, name), monkeypatch)
    assert (service.name, service.host) == (name, "0.0.0.0")
    assert site.services[name].ports == {"http": service.port}


@pytest.mark.parametrize("name", sorted(SERVICES))
async def test_a_pod_is_given_the_secrets_it_cannot_start_without_and_no_others(
    prod: Rendered, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = environment(prod, name)
    needs = set()
    for secret in REQUIRED:
        try:
            built(name, {variable: value for variable, value in env.items() if variable != secret}, monkeypatch)
        except StartupError:
            needs.add(secret)
    assert needs == REQUIRED & set(env)


async def test_probes_and_prometheus_ask_where_services_answer(prod: Rendered) -> None:
    [monitor] = prod.of("PodMonitor")
    [scraped] = monitor["spec"]["podMetricsEndpoints"]
    paths, ports = {scraped["path"]}, {scraped["port"]}
    for made in prod.services.values():
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            paths.add(made.container[probe]["httpGet"]["path"])
            ports.add(made.container[probe]["httpGet"]["port"])
    assert ports == {"http"}
    assert monitor["spec"]["selector"]["matchLabels"].items() <= prod.services["api"].labels.items()
    port = free_port()
    server = HttpServer(Service(name="probed", host="127.0.0.1", port=port, parts=[], checks={}))
    await server.start()
    try:
        async with ClientSession(f"http://127.0.0.1:{port}") as client:
            for path in paths:
                async with client.get(path) as answer:
                    assert answer.status == 200, path
    finally:
        await server.stop(0)
