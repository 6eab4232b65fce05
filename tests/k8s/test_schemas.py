"""Every manifest is valid for Kubernetes old and new, or for its operator; a broken one is not."""

import copy
from collections.abc import Callable

import pytest

from tests.k8s.rendered import Manifest, Rendered
from tests.k8s.schemas import VERSIONS, problems

KINDS = ["Deployment", "Job", "Ingress", "NetworkPolicy", "HorizontalPodAutoscaler", "PodMonitor", "PrometheusRule"]
KINDS += ["ScaledObject", "TriggerAuthentication", "RabbitmqCluster", "MongoDBCommunity"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid_and_has_no_unknown_field(site: Rendered, version: str) -> None:
    found = {
        f"{manifest['kind']} {manifest['metadata']['name']}": problems(manifest, version) for manifest in site.manifests
    }
    assert not {name: wrong for name, wrong in found.items() if wrong}


def unknown_field(manifest: Manifest) -> None:
    manifest["spec"]["replicaz"] = 3


def wrong_kind_of_value(manifest: Manifest) -> None:
    first = next(iter(manifest["spec"]))
    manifest["spec"][first] = {"not": ["what", "belongs", "here"]}


@pytest.mark.parametrize("break_it", [unknown_field, wrong_kind_of_value])
@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_manifest_is_refused(prod: Rendered, kind: str, break_it: Callable[[Manifest], None]) -> None:
    broken = copy.deepcopy(prod.of(kind)[0])
    break_it(broken)
    assert problems(broken, VERSIONS[-1])


def test_a_field_that_is_unknown_deep_inside_is_refused(prod: Rendered) -> None:
    broken = copy.deepcopy(prod.one("RabbitmqCluster", "rabbitmq"))
    template = broken["spec"]["override"]["statefulSet"]["spec"]["template"]
    template["spec"]["containers"][0]["securityContext"]["privilege"] = True
    assert problems(broken, VERSIONS[-1])


def part_of_stateful_set(prod: Rendered) -> Manifest:
    """The MongoDB operator's CRD takes anything there, and merges it into a StatefulSet of its own."""
    given = prod.one("MongoDBCommunity", "mongodb")["spec"]["statefulSet"]["spec"]
    spec = {"serviceName": "mongodb-svc", "selector": {}, **copy.deepcopy(given)}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "mongodb"}, "spec": spec}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_mongodb_operator_merges_is_part_of_a_stateful_set(prod: Rendered, version: str) -> None:
    made = part_of_stateful_set(prod)
    assert problems(made, version) == []
    made["spec"]["template"]["spec"]["containers"][0]["privilege"] = True
    assert problems(made, version)
