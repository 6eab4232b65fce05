"""Standing in line at an endpoint: the slots that are given, and who goes first."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.delivery.admission import SILENT_SECONDS, Verdict
from tests.unit.admissions import NEVER, PER_ENDPOINT, POLICY, PROBE_EVERY, admission_of


@given(st.lists(st.floats(0.01, 60), min_size=1, max_size=30), st.integers(1, 6), st.integers(2, 50))
def test_slots_are_a_little_closer_than_the_endpoint_answers_what_it_has(
    answers: list[float], under_way: int, count: int
) -> None:
    admission = admission_of(breaker=NEVER)
    for _ in range(under_way):
        admission.started("a", 0)
    for seconds in answers:
        admission.started("a", 0)
        admission.finished("a", 0, slow=False, probe=False, ok=True, seconds=seconds)
    slots = [admission.slot("a", 0) for _ in range(count)]
    gaps = [later - sooner for sooner, later in pairwise([0.0, *slots])]
    quickest, slowest = min([2.0, *answers]), max([2.0, *answers])
    assert all(gap >= min(4.0, max(quickest, 0.1) / under_way / 1.25) - 1e-9 for gap in gaps)
    assert all(gap <= min(4.0, slowest / under_way / 1.25) + 1e-9 for gap in gaps)


def test_one_that_has_not_answered_yet_is_asked_again_soon_and_one_that_turned_out_slow_is_not() -> None:
    admission = admission_of(breaker=NEVER)
    admission.started("a", 0)
    assert admission.slot("a", 0) == 0.02
    admission.slowed("a")
    assert admission.slot("a", 0) >= 0.4


def test_the_line_ends_with_the_last_that_comes_back_however_far_its_slots_reached() -> None:
    admission = admission_of(breaker=NEVER)
    admission.started("a", 0)
    admission.slowed("a")
    first = [admission.slot("a", 0) for _ in range(100)]
    for _ in range(99):
        admission.returned("a", 1)
    assert admission.slot("a", 1) > first[-1], "one is still there"
    admission.returned("a", 1)
    admission.returned("a", 1)
    assert admission.slot("a", 1) == 1 + first[0]
    admission.returned("nobody", 1)


def test_an_open_breaker_gives_slots_from_its_next_probe_on_however_much_waits() -> None:
    admission = admission_of()
    for _ in range(3):
        admission.started("a", 0)
        admission.finished("a", 50, slow=False, probe=False, ok=False, seconds=0.001)
    slots = [admission.slot("a", 50) for _ in range(1000)]
    assert slots[0] > 50 + PROBE_EVERY
    assert slots[-1] - slots[0] >= 999 - 1e-6


def test_while_somebody_stands_in_line_at_a_slow_endpoint_only_who_had_a_slot_goes() -> None:
    admission = admission_of(breaker=NEVER)
    admission.started("a", 0)
    admission.slowed("a")
    assert admission.ask("a", 0) is Verdict.GO
    admission.slot("a", 0)
    assert admission.ask("a", 0) is Verdict.DEFER
    assert admission.ask("a", 0, returning=True) is Verdict.GO
    assert admission.ask("a", 1000) is Verdict.GO, "the line is over"


def test_a_success_ends_the_line() -> None:
    admission = admission_of(breaker=NEVER)
    admission.started("a", 0)
    admission.started("a", 0)
    admission.slowed("a")
    admission.slot("a", 0)
    admission.finished("a", 0, slow=True, probe=False, ok=True, seconds=0.9)
    assert not admission.is_slow("a")
    assert admission.ask("a", 0) is Verdict.GO


@given(st.floats(0, 60), st.integers(1, PER_ENDPOINT))
def test_slots_come_a_quarter_faster_than_an_endpoint_answers_but_every_four_seconds_at_least(
    seconds: float, under_way: int
) -> None:
    admission = admission_of(breaker=NEVER)
    for _ in range(under_way):
        admission.started("a", 0)
    for _ in range(40):
        admission.started("a", 0)
        admission.finished("a", 0, slow=False, probe=False, ok=True, seconds=seconds)
    gap = min(4.0, max(0.1, seconds) / under_way / 1.25)
    assert admission.slot("a", 7) - 7 == pytest.approx(gap, rel=0.01)


def test_who_stood_in_line_before_a_success_is_not_counted_in_the_next_line() -> None:
    admission = admission_of(breaker=NEVER)
    admission.started("a", 0)
    admission.started("a", 0)
    admission.slot("a", 0)
    admission.finished("a", 0, slow=False, probe=False, ok=True, seconds=1)
    admission.slowed("a")
    admission.slot("a", 0)
    admission.returned("a", 0)
    assert admission.ask("a", 0) is Verdict.GO, "nobody is left in it"


def test_an_endpoint_that_answers_slowly_is_slow_also_between_two_slow_requests_until_its_answers_are_quick() -> None:
    admission = admission_of(breaker=NEVER)
    admission.started("a", 0)
    admission.started("a", 0)
    admission.finished("a", 0, slow=False, probe=False, ok=True, seconds=1.0)
    assert not admission.is_slow("a"), "its first answer is believed at once"
    for _ in range(2):
        admission.started("a", 0)
        admission.finished("a", 0, slow=False, probe=False, ok=True, seconds=1.5)
        assert admission.is_slow("a")
    admission.slot("a", 0)
    assert admission.ask("a", 0) is Verdict.DEFER
    for _ in range(2):
        admission.started("a", 0)
        admission.finished("a", 0, slow=False, probe=False, ok=True, seconds=0.1)
    assert not admission.is_slow("a")
    assert admission.ask("a", 0) is Verdict.GO


def test_one_quick_answer_among_slow_ones_makes_an_endpoint_no_quick_one() -> None:
    admission = admission_of(breaker=NEVER)
    for _ in range(3):
        admission.started("a", 0)
    for seconds in (3.0, 0.1):
        admission.finished("a", 0, slow=False, probe=False, ok=True, seconds=seconds)
    assert admission.is_slow("a")


def test_failures_that_take_long_put_slots_further_apart_and_who_sent_nothing_does_not() -> None:
    admission = admission_of(breaker=NEVER)
    for _ in range(10):
        admission.started("a", 0)
    admission.finished("a", 0, slow=False, probe=False, ok=True, seconds=2)
    admission.slowed("a")
    first = admission.slot("a", 0)
    admission.finished("a", 0, slow=False, probe=False, ok=None, seconds=60)
    second = admission.slot("a", 0)
    admission.finished("a", 0, slow=False, probe=False, ok=False, seconds=60)
    third = admission.slot("a", 0)
    assert second - first == pytest.approx(first * 9 / 8), "one less under way"
    assert third - second == pytest.approx((2 + (60 - 2) * 0.2) / 7 / 1.25), "of 10 are 7 under way"


def test_at_an_endpoint_that_never_answered_slots_are_four_seconds_apart_once_it_is_slow() -> None:
    admission = admission_of(breaker=NEVER)
    for _ in range(5):
        admission.started("a", 10)
    assert admission.slot("a", 10.1) == pytest.approx(10.12), "it may just not have answered yet"
    assert admission.slot("a", 10.3) == pytest.approx(10.8), "it should have"
    admission.slowed("a")
    assert admission.slot("a", 20) == 24.0


def test_an_endpoint_is_silent_from_the_fifth_of_a_second_on() -> None:
    admission = admission_of(breaker=NEVER)
    admission.started("a", 0)
    assert admission.slot("a", SILENT_SECONDS) == SILENT_SECONDS + 0.5


@pytest.mark.parametrize(("now", "gap"), [(100.1, 0.02), (100.5, 0.1), (104, 0.8), (130, 4.0)])
def test_the_longer_an_endpoint_is_silent_the_further_apart_are_its_slots(now: float, gap: float) -> None:
    admission = admission_of(breaker=NEVER)
    for _ in range(5):
        admission.started("a", 0)
    admission.finished("a", 100, slow=False, probe=False, ok=True, seconds=0.05)
    quick = admission.slot("a", 200) - 200
    assert quick == pytest.approx(0.02), "who is not slow is only busy"
    admission.slowed("a")
    admission.returned("a", now)
    assert admission.slot("a", now) - now == pytest.approx(gap)


def test_when_its_probe_is_overdue_an_endpoint_s_next_slot_is_still_to_come() -> None:
    admission = admission_of()
    for _ in range(POLICY.failures):
        admission.started("a", 0)
        admission.finished("a", 0, slow=False, probe=False, ok=False)
    assert admission.slot("a", 1000) > 1000


def test_after_a_success_nobody_stands_in_line_unless_other_requests_are_slow() -> None:
    admission = admission_of(breaker=NEVER)
    for _ in range(3):
        admission.started("a", 0)
    admission.slowed("a")
    for _ in range(100):
        far = admission.slot("a", 0)
    admission.finished("a", 1, slow=False, probe=False, ok=True, seconds=1)
    assert admission.slot("a", 1) > far
    admission.finished("a", 1, slow=True, probe=False, ok=True, seconds=1)
    assert admission.slot("a", 1) <= 2
