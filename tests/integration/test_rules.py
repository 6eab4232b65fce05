"""The alerts, by Prometheus' own judge of rules."""

import subprocess

import pytest

from tests.prometheus import RULES
from tests.rules import alerts
from tests.tools import tool

CASES = RULES.with_name("rules.test.yml")


def test_each_alert_fires_on_its_symptom_and_none_while_all_is_well() -> None:
    judge = tool("promtool", package="prometheus")
    judged = subprocess.run([judge, "test", "rules", CASES], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout + judged.stderr


@pytest.mark.parametrize("name", alerts())
def test_there_is_a_case_in_which_it_fires(name: str) -> None:
    text = CASES.read_text()
    assert f'alertname="{name}",alertstate="firing"' in text or f"alertname: {name}\n" in text
