"""Writes the PrometheusRule out of `deploy/prometheus/rules.yml`: `python -m deploy.k8s.prometheus_rule`.

kustomize reads no file outside its folder and cannot put one inside a resource, so the result is committed; a test
says when it has to be written again.
"""

from pathlib import Path
from textwrap import indent

DEPLOY = Path(__file__).resolve().parents[1]
RULES = DEPLOY / "prometheus/rules.yml"
RESOURCE = DEPLOY / "k8s/monitoring/prometheusrule.yaml"

HEAD = """\
# Written by `python -m deploy.k8s.prometheus_rule` out of deploy/prometheus/rules.yml: change that.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: dispatcher
spec:
"""


def resource(rules: str) -> str:
    """The rules as they stand, comments included, two columns further in."""
    return HEAD + indent(rules, "  ")


if __name__ == "__main__":
    RESOURCE.write_text(resource(RULES.read_text()))
