"""The small charts of a list: every hour's shares fill its bar, and what there is little of is still seen."""

import re
from datetime import timedelta

import pytest

from services.api.dashboard.figures import HEIGHT, WIDTH, bars, due, recently, share
from services.api.figures import Recent
from shared.contracts.counts import Counts
from shared.store.backlog import Due

STEP = re.compile(r"M(\d+) (\d+)v-(\d+)h(\d+)v(\d+)z")


def heights(counts: Counts) -> dict[str, int]:
    found = {}
    for tone, path in bars([Counts(), counts]).items():
        ((x, _y, height, width, back),) = STEP.findall(path)
        assert (int(x), int(width), back) == (WIDTH + 1, WIDTH, height)
        found[tone] = int(height)
    return found


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (Counts(), {}),
        (Counts(succeeded=1), {"good": HEIGHT}),
        (Counts(succeeded=1, dead=1), {"good": HEIGHT // 2, "bad": HEIGHT // 2}),
        (Counts(succeeded=10**6, dead=1, pending=1), {"good": HEIGHT - 4, "bad": 2, "off": 2}),
        (Counts(dead=3, cancelled=1, folded=1, waiting=1), {"bad": 12, "off": 12}),
    ],
)
def test_the_shares_of_an_hour_fill_its_bar(counts: Counts, expected: dict[str, int]) -> None:
    assert heights(counts) == expected


def test_success_lies_at_the_bottom_and_failure_at_the_top() -> None:
    paths = bars([Counts(succeeded=1, dead=1, waiting=1)])
    assert [paths[tone].split("v")[0] for tone in ("good", "off", "bad")] == ["M0 24", "M0 16", "M0 8"]


@pytest.mark.parametrize("dead", range(1, 300, 7))
def test_a_hundred_percent_is_said_of_all_alone(dead: int) -> None:
    assert share(Counts(succeeded=10**7, dead=dead)) == "99.9 %"
    assert share(Counts(succeeded=10**7)) == "100 %"
    assert share(Counts(waiting=1)) is None


def test_the_words_say_what_the_bars_show() -> None:
    hours = [Counts(succeeded=3), Counts(), Counts(dead=1, waiting=5)]
    assert recently(Recent(hours, 5)) == "75 % of 4 in 24 h"
    assert recently(Recent([Counts()], 0)) == "none in 24 h"


def test_due_times_are_said_in_words() -> None:
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    assert [due(Due(*span, 0)) for span in ((None, 0 * hour), (0 * hour, minute), (minute, hour), (hour, None))] == [
        "Overdue",
        "Within 1 min",
        "In 1 min to 1 h",
        "In more than 1 h",
    ]
