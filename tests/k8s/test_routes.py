"""Ingress leads every route to the service that serves it, and nothing else of a service to the world."""

import copy
from typing import Any

import pytest

from shared.contracts.event import MAX_BATCH_BYTES
from tests.k8s.rendered import Rendered
from tests.k8s.test_settings import built, environment

OF_OPERATORS = {"/metrics", "/healthz", "/readyz", "/"}


def leads_to(site: Rendered, ingress: str, path: str) -> str | None:
    """The service that the controller sends `path` to."""
    [rule] = site.one("Ingress", ingress)["spec"]["rules"]
    for entry in rule["http"]["paths"]:
        under = path.startswith(entry["path"] + "/") and entry["pathType"] == "Prefix"
        if path == entry["path"] or under:
            name: str = entry["backend"]["service"]["name"]
            return name
    return None


def served(site: Rendered, name: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The paths of a service, without those that every service has for operators."""
    app = built(name, environment(site, name), monkeypatch).app
    return {route.resource.canonical for route in app.router.routes() if route.resource}


@pytest.fixture
async def api_paths(site: Rendered, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    return served(site, "api", monkeypatch)


@pytest.fixture
async def ingest_paths(site: Rendered, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    return served(site, "ingest", monkeypatch)


def test_customers_reach_every_route_of_the_api_and_no_more(site: Rendered, api_paths: set[str]) -> None:
    assert {leads_to(site, "api", path) for path in api_paths} == {"api"}
    assert {leads_to(site, "api", path) for path in OF_OPERATORS} == {None}


def test_each_path_of_the_ingress_has_a_route(site: Rendered, api_paths: set[str]) -> None:
    [rule] = site.one("Ingress", "api")["spec"]["rules"]
    for entry in rule["http"]["paths"]:
        path = entry["path"]
        assert any(route == path or route.startswith(path + "/") for route in api_paths), path


def test_producers_reach_ingest_by_a_host_of_its_own_and_no_more(
    site: Rendered, api_paths: set[str], ingest_paths: set[str]
) -> None:
    assert {leads_to(site, "ingest", path) for path in ingest_paths} == {"ingest"}
    assert {leads_to(site, "ingest", path) for path in (api_paths | OF_OPERATORS) - ingest_paths} == {None}
    assert ingest_paths & api_paths >= {"/api/v1/events"}, "why there are two hosts"
    hosts = {made["spec"]["rules"][0]["host"] for made in site.of("Ingress")}
    assert len(hosts) == 2


def test_a_batch_fits_through(site: Rendered) -> None:
    annotations: dict[str, Any] = site.one("Ingress", "ingest")["metadata"]["annotations"]
    size = annotations["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert int(size.removesuffix("m")) * 2**20 > MAX_BATCH_BYTES


def dangling(site: Rendered) -> list[str]:
    """Ports that a Service or an Ingress names and nothing has."""
    found = []
    for made in site.of("Service"):
        [workload] = [one for one in site.workloads.values() if made["spec"]["selector"].items() <= one.labels.items()]
        ports = [port["targetPort"] for port in made["spec"]["ports"]]
        found += [f"{workload.name} {port}" for port in ports if port not in workload.ports]
    for ingress in site.of("Ingress"):
        for entry in ingress["spec"]["rules"][0]["http"]["paths"]:
            backend = entry["backend"]["service"]
            ports = [port["name"] for port in site.one("Service", backend["name"])["spec"]["ports"]]
            found += [f"{backend['name']} {port}" for port in backend["port"].values() if port not in ports]
    return found


def test_services_and_ingress_name_ports_that_pods_have(site: Rendered) -> None:
    assert dangling(site) == []


def test_a_wrong_port_is_found_out(site: Rendered) -> None:
    broken = Rendered(site.overlay, copy.deepcopy(site.manifests))
    broken.one("Service", "api")["spec"]["ports"][0]["targetPort"] = "https"
    broken.one("Ingress", "ingest")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["name"] = (
        "https"
    )
    assert dangling(broken) == ["api https", "ingest https"]


def test_the_outside_is_reached_by_tls_only(prod: Rendered) -> None:
    for ingress in prod.of("Ingress"):
        [tls] = ingress["spec"]["tls"]
        assert tls["hosts"] == [ingress["spec"]["rules"][0]["host"]]
