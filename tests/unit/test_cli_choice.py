"""How operators say which, when and how fast."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.choice import need_choice
from services.cli.dead_letter_choice import wanted_by
from services.cli.moments import moment, moment_ahead
from services.cli.pace import Pace
from shared.contracts.dead_letters import DeadLettersWanted
from shared.errors import StartupError
from shared.times import EPOCH, iso

NOW = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)


@given(st.datetimes(EPOCH.replace(tzinfo=None), datetime(8000, 1, 1), timezones=st.just(UTC)))
def test_a_moment_is_written_as_in_the_api(when: datetime) -> None:
    found = moment("--since", iso(when), NOW)
    assert found is not None
    assert iso(found) == iso(when)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
        ("1w", timedelta(weeks=1)),
        ("0s", timedelta(0)),
    ],
)
def test_a_span_is_how_long_ago(text: str, ago: timedelta) -> None:
    assert moment("--since", text, NOW) == NOW - ago


def test_a_span_ahead_is_how_long_from_now_and_a_moment_is_itself() -> None:
    assert moment_ahead("--expires", "3d", NOW) == NOW + timedelta(days=3)
    assert moment_ahead("--expires", "999999w", NOW) is not None
    assert moment_ahead("--expires", iso(NOW), NOW) == NOW
    assert moment_ahead("--expires", None, NOW) is None
    with pytest.raises(StartupError, match="--expires: "):
        moment_ahead("--expires", "soon", NOW)


def test_no_time_is_no_time_and_the_longest_span_reaches_the_beginning() -> None:
    assert moment("--since", None, NOW) is None
    assert moment("--since", "999999w", NOW) == EPOCH


@pytest.mark.parametrize("text", ["", "soon", "2 h", "-2h", "2y", "1736937000", "2025-01-15", "2025-01-15T10:30:00"])
def test_any_other_time_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(StartupError, match=r"--until: .*2025-01-15T10:30:00Z.*2h") as refused:
        moment("--until", text, NOW)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("place", "text", "words"),
    [
        (0, ["nonsense"], "ID: "),
        (1, "no tenant", "--tenant: "),
        (2, "hook", "--webhook: "),
        (3, "session.crated", "--event-type: .*session.created"),
        (4, "Because!", "--reason: "),
        (5, "6xx", "--answered: "),
        (6, "soon", "--since: "),
        (7, "soon", "--until: "),
    ],
)
def test_what_cannot_be_chosen_by_is_refused_by_the_name_of_its_option(place: int, text: object, words: str) -> None:
    given_by = [None] * 8
    given_by[place] = text  # type: ignore[call-overload]
    with pytest.raises(StartupError, match=words):
        wanted_by(*given_by)


def test_nothing_chosen_is_everything_and_needs_to_be_said() -> None:
    assert wanted_by(None, None, None, None, None, None, None, None) == DeadLettersWanted()
    assert not wanted_by(None, "acme", None, None, None, None, None, None).everything
    need_choice(everything=True, all_of_them=True)
    need_choice(everything=False, all_of_them=False)
    for everything in (True, False):
        with pytest.raises(StartupError, match="--all"):
            need_choice(everything=everything, all_of_them=not everything)


@given(st.floats(0.1, 2_000), st.lists(st.floats(0, 0.5), min_size=1, max_size=50))
def test_never_faster_than_the_pace_however_long_the_work_takes(per_second: float, works: list[float]) -> None:
    """Between any two groups at least the time that the first of them may take up."""
    time = [0.0]
    pace = Pace(per_second, lambda: time[0])
    begun = []
    for work in works:
        begun.append(time[0])
        time[0] += work
        time[0] += pace.rest_seconds(pace.group)
    gaps = [later - earlier for earlier, later in pairwise(begun)]
    taken = [sum(gaps[:n]) for n in range(1, len(gaps) + 1)]
    assert all(t >= n * pace.group / per_second - 1e-6 for n, t in enumerate(taken, 1))


@pytest.mark.parametrize(("per_second", "group"), [(0.1, 1), (4, 1), (20, 5), (100_000, 500)])
def test_groups_are_small(per_second: float, group: int) -> None:
    assert Pace(per_second, lambda: 0.0).group == group


def test_what_was_not_done_in_time_is_not_made_up_for() -> None:
    time = [0.0]
    pace = Pace(10, lambda: time[0])
    time[0] = 100
    assert pace.rest_seconds(1) == 0
    assert pace.rest_seconds(1) == pytest.approx(0.1)
