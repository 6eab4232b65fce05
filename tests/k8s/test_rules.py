"""Prometheus in Kubernetes has the very rules that it has elsewhere."""

import copy

import yaml

from deploy.k8s.prometheus_rule import RESOURCE, RULES, resource
from tests.k8s.rendered import Rendered
from tests.k8s.schemas import VERSIONS, problems


def test_the_prometheus_rule_is_written_out_of_the_rules() -> None:
    assert RESOURCE.read_text() == resource(RULES.read_text()), "run python -m deploy.k8s.prometheus_rule"


def test_its_groups_are_the_same_and_valid(prod: Rendered) -> None:
    [made] = prod.of("PrometheusRule")
    assert made["spec"] == yaml.safe_load(RULES.read_text())
    assert made["spec"]["groups"]
    assert problems(made, VERSIONS[-1]) == []


def test_a_rule_with_an_unknown_field_is_refused(prod: Rendered) -> None:
    [broken] = copy.deepcopy(prod.of("PrometheusRule"))
    broken["spec"]["groups"][0]["rules"][0]["severity"] = "critical"
    assert problems(broken, VERSIONS[-1])
