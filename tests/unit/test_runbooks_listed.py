"""Alerts and runbooks tell the same story."""

import re

import pytest

from deploy.local.download import PROJECT
from tests.rules import alerts
from tests.runbooks import FOLDER, NOT_RUN, commands, path_of, section

HEADINGS = ("Who is hurt", "Look", "Likely causes", "Remedy", "It is over when")
PAGES = sorted(FOLDER.glob("*.md"))


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {path.stem for path in PAGES} - {"README"} == set(alerts())


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_bad_it_is_who_is_hurt_and_where_its_runbook_is(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    url = rule["annotations"]["runbook_url"].removeprefix("{{ $externalLabels.runbooks }}")
    assert PROJECT / url == path_of(name)


@pytest.mark.parametrize("name", alerts())
def test_a_runbook_has_its_sections_and_something_to_do(name: str) -> None:
    assert path_of(name).read_text().startswith(f"# {name}\n")
    assert all(section(name, heading).strip() for heading in HEADINGS)
    assert commands(name, "Look")
    assert commands(name, "Remedy") or NOT_RUN in section(name, "Remedy")


def test_the_list_of_runbooks_has_each_with_its_severity() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert dict(listed) == {name: rule["labels"]["severity"] for name, rule in alerts().items()}
    assert len(listed) == len(alerts())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_link_leads_somewhere(page) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
