"""What Grafana's dashboard has to be, as far as that can be told without Grafana."""

from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from tests.rules import dashboard

PANELS = dashboard()["panels"]
CHARTS = [panel for panel in PANELS if panel["type"] != "row"]
UNITS = {"none", "s", "bytes", "percentunit", "eps", "ops", "reqps"}  # names of Grafana's
TYPES = {"stat", "timeseries", "state-timeline"}


def test_ids_are_unique() -> None:
    assert max(Counter(panel["id"] for panel in PANELS).values()) == 1


@pytest.mark.parametrize("panel", CHARTS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_in_which_unit_from_the_chosen_source(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["type"] in TYPES
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    refs = [target["refId"] for target in panel["targets"]]
    assert refs == sorted(set(refs))
    assert refs
    assert all(target["expr"] and target["legendFormat"] for target in panel["targets"])


def test_the_source_is_a_variable() -> None:
    (variable,) = dashboard()["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")


def test_no_panel_lies_over_another_or_beyond_the_page() -> None:
    cells = {panel["id"]: _cells(panel["gridPos"]) for panel in PANELS}
    assert all(x < 24 for covered in cells.values() for x, _ in covered)
    assert [pair for pair in combinations(cells, 2) if cells[pair[0]] & cells[pair[1]]] == []


def _cells(at: dict[str, int]) -> set[tuple[int, int]]:
    return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
