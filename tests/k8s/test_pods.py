"""Pods have no rights they do not need, are spread, and end only after the service in them had its time to stop."""

import copy
from typing import Any

import pytest

from shared.settings import DeliverySettings, DrainSettings
from tests.k8s.rendered import Manifest, Rendered
from tests.k8s.restricted import violations

PART_LATE_SECONDS = 2  # what shared/lifecycle.py grants a part beyond the deadline
CHECK_SECONDS = 2  # and a check of /readyz


def pods(site: Rendered) -> dict[str, Manifest]:
    """All pod specs there are, those that operators merge into their own included."""
    found = {name: made.spec for name, made in site.workloads.items()}
    for cluster in site.of("RabbitmqCluster"):
        found["RabbitmqCluster"] = cluster["spec"]["override"]["statefulSet"]["spec"]["template"]["spec"]
    for cluster in site.of("MongoDBCommunity"):
        found["MongoDBCommunity"] = cluster["spec"]["statefulSet"]["spec"]["template"]["spec"]
    return found


def test_pods_meet_the_restricted_standard_and_the_namespace_enforces_it(site: Rendered) -> None:
    assert not {name: wrong for name, spec in pods(site).items() if (wrong := violations(spec))}
    [namespace] = site.of("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {manifest["metadata"].get("namespace", namespace["metadata"]["name"]) for manifest in site.manifests} == {
        namespace["metadata"]["name"]
    }


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (["containers", 0, "securityContext", "privileged"], True, "dispatcher: privileged"),
        (["containers", 0, "securityContext", "capabilities", "add"], ["NET_ADMIN"], "dispatcher: capabilities.add"),
        (["containers", 0, "securityContext", "capabilities", "drop"], [], "dispatcher: capabilities.drop"),
        (
            ["containers", 0, "securityContext", "allowPrivilegeEscalation"],
            True,
            "dispatcher: allowPrivilegeEscalation",
        ),
        (["securityContext", "runAsNonRoot"], False, "dispatcher: runAsNonRoot"),
        (["securityContext", "runAsUser"], 0, "runAsUser"),
        (["securityContext", "seccompProfile"], {"type": "Unconfined"}, "dispatcher: seccompProfile"),
        (["hostNetwork"], True, "hostNetwork"),
        (["volumes"], [{"name": "etc", "hostPath": {"path": "/etc"}}], "volume etc"),
    ],
)
def test_a_pod_that_takes_more_is_found_out(prod: Rendered, path: list[Any], value: Any, rule: str) -> None:
    broken = copy.deepcopy(prod.workloads["delivery"].spec)
    at: Any = broken
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert violations(broken) == [rule]


def test_our_containers_cannot_write_and_have_no_token(site: Rendered) -> None:
    for name, made in site.workloads.items():
        assert made.spec["automountServiceAccountToken"] is False, name
        assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in made.containers), name
    account = site.one("ServiceAccount", "dispatcher")
    assert account["automountServiceAccountToken"] is False
    assert not [binding for binding in site.of("RoleBinding") if binding["subjects"][0]["name"] == "dispatcher"]


def test_a_pod_s_end_comes_after_its_service_stopped(site: Rendered) -> None:
    drain = DrainSettings(stop_seconds=float(site.configured["DISPATCHER_STOP_SECONDS"])).stop_seconds
    assert drain > DeliverySettings().attempt_timeout_seconds, "a stop would cut off requests under way"
    for name, made in site.services.items():
        pause = made.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert made.spec["terminationGracePeriodSeconds"] > pause + drain + PART_LATE_SECONDS, name


def test_what_serves_http_pauses_before_it_stops(site: Rendered) -> None:
    behind_a_service = {made["spec"]["selector"]["app.kubernetes.io/name"] for made in site.of("Service")}
    pausing = {name for name, made in site.services.items() if "lifecycle" in made.container}
    assert pausing == behind_a_service & set(site.services) == {"api", "ingest"}


def test_probes_wait_longer_than_what_they_ask(site: Rendered) -> None:
    for name, made in site.services.items():
        assert made.container["readinessProbe"]["timeoutSeconds"] > CHECK_SECONDS, name
        assert made.container["readinessProbe"]["httpGet"]["path"] == "/readyz", name
        for probe in ("livenessProbe", "startupProbe"):  # a dependency that is away is no reason for a restart
            assert made.container[probe]["httpGet"]["path"] == "/healthz", name


def test_copies_are_spread_over_nodes_and_zones_and_are_not_drained_together(site: Rendered) -> None:
    budgets = {made["metadata"]["name"]: made["spec"] for made in site.of("PodDisruptionBudget")}
    for name, made in site.services.items():
        spread = {rule["topologyKey"]: rule for rule in made.spec["topologySpreadConstraints"]}
        assert set(spread) == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        for rule in spread.values():
            assert rule["labelSelector"]["matchLabels"].items() <= made.labels.items()
            assert "app.kubernetes.io/name" in rule["matchLabelKeys"], "else other services' pods count"
        selector = {"matchLabels": {"app.kubernetes.io/name": name}}
        assert (budgets[name]["maxUnavailable"], budgets[name]["selector"]) == (1, selector)
        assert budgets[name]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        assert site.one("Deployment", name)["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_rabbitmq_and_mongodb_keep_their_majority(prod: Rendered) -> None:
    rabbitmq = prod.one("RabbitmqCluster", "rabbitmq")["spec"]
    mongodb = prod.one("MongoDBCommunity", "mongodb")["spec"]
    assert (rabbitmq["replicas"], mongodb["members"]) == (3, 3)
    template = mongodb["statefulSet"]["spec"]["template"]
    for name, affinity in (("rabbitmq", rabbitmq["affinity"]), ("mongodb", template["spec"]["affinity"])):
        [apart] = affinity["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        selector = {"matchLabels": {"app.kubernetes.io/name": name}}
        assert apart == {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}
        budget = prod.one("PodDisruptionBudget", name)["spec"]
        assert budget == {"maxUnavailable": 1, "selector": selector}
    assert template["metadata"]["labels"] == {"app.kubernetes.io/name": "mongodb"}


def test_a_worker_may_hold_what_it_fetches(site: Rendered) -> None:
    settings = DeliverySettings()
    held_bytes = 1.75 * settings.prefetch_messages * 512 * 1024  # of its three queues
    limit = site.services["delivery"].container["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("Mi")) * 2**20 > 256 * 2**20 + 4 * held_bytes  # Python's objects, and room
