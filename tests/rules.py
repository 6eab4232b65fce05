"""The rules and the dashboard, read for what they ask Prometheus."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from deploy.local.download import PROJECT
from tests.prometheus import RULES

DASHBOARD = PROJECT / "deploy/grafana/dashboard.json"


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def targets() -> list[dict[str, Any]]:
    return [target for panel in dashboard()["panels"] for target in panel.get("targets", [])]


def sides(expression: str) -> Iterator[str]:
    """What an alert compares: that has to exist always, or it could never fire. Of `absent(x)` that is x."""
    for part in re.split(r"\s(?:and|or)\s(?!on\b)", expression):
        compared = re.sub(r"\s[<>]\s[\d.]+$", "", part)
        yield re.sub(r"^absent\((.*)\)$", r"\1", compared)
