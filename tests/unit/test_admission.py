"""Admission: by property, with every step that callers may take in any order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.delivery.admission import _MOST_REMEMBERED, FIRST_ALLOWANCE, Admission, Verdict
from tests.unit.admissions import NEVER, PER_ENDPOINT, POLICY, PROBE_EVERY, TOTAL, Model, admission_of

steps = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["start", "start", "start", "slow", "ok", "failed", "nothing", "later", "much later"]),
    ),
    max_size=150,
)


@given(steps)
def test_limits_hold_and_a_breaker_follows_the_failures_in_a_row(taken: list[tuple[str, str]]) -> None:
    model = Model()
    for endpoint, step in taken:
        model.do(step, endpoint)
        every = [request for requests in model.inside.values() for request in requests]
        slow = sum(slow for slow, _ in every)
        assert (model.admission.quick, model.admission.slow) == (len(every) - slow, slow)
        assert model.admission.free == TOTAL - model.admission.quick >= 0
        for requests in model.inside.values():
            assert len(requests) <= PER_ENDPOINT
            assert sum(probe for _, probe in requests) <= 1, "one probe at a time"
        opened = {name for name, _ in model.admission.open_breakers()}
        assert opened == {name for name, failures in model.failures.items() if failures >= POLICY.failures}


@given(steps, st.sampled_from([True, False, None]))
def test_nobody_is_locked_out_whatever_happened_before(taken: list[tuple[str, str]], ok: bool | None) -> None:
    model = Model()
    for endpoint, step in taken:
        model.do(step, endpoint)
    model.empty(ok)
    model.now += PROBE_EVERY
    for endpoint in "abc":
        assert model.admission.ask(endpoint, model.now) is Verdict.GO
        assert model.admission.started(endpoint, model.now) is (model.failures[endpoint] >= POLICY.failures)


def test_after_a_probe_that_failed_another_goes() -> None:
    admission = admission_of()
    for _ in range(POLICY.failures):
        admission.started("a", 0)
        admission.finished("a", 0, slow=False, probe=False, ok=False)
    for moment in (PROBE_EVERY, 2 * PROBE_EVERY, 3 * PROBE_EVERY):
        assert admission.ask("a", moment - 1) is Verdict.DEFER
        assert admission.ask("a", moment) is Verdict.GO
        assert admission.started("a", 0)
        admission.finished("a", moment, slow=False, probe=True, ok=False)


@given(steps)
def test_only_who_failed_last_is_remembered_once_nothing_is_under_way(taken: list[tuple[str, str]]) -> None:
    model = Model()
    for endpoint, step in taken:
        model.do(step, endpoint)
    model.empty(None)
    assert model.admission._endpoints.keys() == {name for name, failures in model.failures.items() if failures}


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 8))
def test_an_endpoint_earns_one_more_request_at_a_time_with_each_success(answers: list[bool], cap: int) -> None:
    admission = admission_of(total=100, per_endpoint=cap, breaker=NEVER)
    held = 0
    while admission.ask("a", 0) is Verdict.GO:
        admission.started("a", 0)
        held += 1
    assert held == min(cap, FIRST_ALLOWANCE)
    for ok in answers:
        admission.finished("a", 0, slow=False, probe=False, ok=ok)
        admission.started("a", 0)
        while admission.ask("a", 0) is Verdict.GO:
            admission.started("a", 0)
            held += 1
    assert held == min(cap, FIRST_ALLOWANCE + sum(answers))


@pytest.mark.parametrize(("total", "share"), [(1, 1), (2, 1), (3, 1), (8, 4), (9, 4)])
def test_slow_endpoints_hold_half_as_many_requests_as_there_are_places_and_others_do_not_notice(
    total: int, share: int
) -> None:
    admission = admission_of(total=total, breaker=NEVER)
    for number in range(share):
        assert admission.ask("0", 0) is Verdict.GO
        admission.started(str(number), 0)
        assert admission.slowed(str(number))
    assert admission.free == total
    assert admission.ask("0", 0) is Verdict.DEFER
    assert admission.ask("quick", 0) is Verdict.GO


def test_a_pool_full_of_slow_requests_takes_no_more() -> None:
    admission = admission_of(total=1, per_endpoint=100, breaker=NEVER)
    for number in range(4):
        admission.started(str(number), 0)
        assert admission.slowed(str(number))
    admission.started("last", 0)
    assert not admission.slowed("last")
    assert admission.free == 0
    admission.finished("last", 0, slow=False, probe=False, ok=True)
    assert admission.free == 1


def test_an_endpoint_is_slow_until_its_last_slow_request_ended() -> None:
    admission = admission_of(breaker=NEVER)
    assert not admission.is_slow("a")
    for _ in range(3):
        admission.started("a", 0)
    assert not admission.is_slow("a")
    for _ in range(2):
        admission.slowed("a")
        assert admission.is_slow("a")
    admission.finished("a", 0, slow=True, probe=False, ok=False)
    assert admission.is_slow("a")
    admission.finished("a", 0, slow=True, probe=False, ok=False)
    assert not admission.is_slow("a")


def test_only_who_has_requests_under_way_and_answered_none_is_silent() -> None:
    admission = admission_of()
    assert not admission.is_silent("a")
    assert not admission.is_open("a")
    admission.started("a", 0)
    assert admission.is_silent("a")
    admission.finished("a", 0, slow=False, probe=False, ok=False)
    assert not admission.is_silent("a"), "nothing is under way"
    for _ in range(5):
        admission.started("a", 0)
    admission.finished("a", 0, slow=False, probe=False, ok=True)
    assert not admission.is_silent("a")
    for _ in range(POLICY.failures):
        admission.finished("a", 0, slow=False, probe=False, ok=False)
    assert admission.is_open("a")
    assert admission.is_silent("a"), "what it answered before it failed is long ago"


def full(heard: bool | None) -> Admission:
    """Of an endpoint that has as many requests under way as it may since 10, and ended one at 10.1, if it did."""
    admission = admission_of(breaker=NEVER)
    for _ in range(FIRST_ALLOWANCE):
        admission.started("a", 10)
    if heard is not None:
        admission.finished("a", 10.1, slow=False, probe=False, ok=heard)
        while admission.ask("a", 10.1) is Verdict.GO:
            admission.started("a", 10.1)
    return admission


@pytest.mark.parametrize(
    ("heard", "now", "verdict"),
    [
        (None, 10.19, Verdict.LATER),
        (None, 10.21, Verdict.DEFER),
        (False, 10.29, Verdict.LATER),
        (False, 10.31, Verdict.DEFER),
        (True, 100, Verdict.LATER),
    ],
)
def test_nobody_waits_at_an_endpoint_of_which_nothing_was_heard_for_a_while_unless_it_answered_before(
    heard: bool | None, now: float, verdict: Verdict
) -> None:
    assert full(heard).ask("a", now) is verdict


def test_an_endpoint_that_was_idle_is_given_time_again() -> None:
    admission = full(None)
    for _ in range(FIRST_ALLOWANCE):
        admission.finished("a", 40, slow=False, probe=False, ok=False)
    for _ in range(FIRST_ALLOWANCE):
        admission.started("a", 50)
    assert admission.ask("a", 50.1) is Verdict.LATER


def test_who_came_out_without_having_sent_anything_heard_nothing() -> None:
    admission = full(None)
    admission.finished("a", 10.1, slow=False, probe=False, ok=None)
    admission.started("a", 10.1)
    assert admission.ask("a", 10.21) is Verdict.DEFER


def test_what_is_remembered_is_bounded_and_nobody_with_a_request_under_way_is_forgotten() -> None:
    admission = admission_of(total=10**6)
    admission.started("first", 0)
    for number in range(_MOST_REMEMBERED + 10):
        admission.started(str(number), 0)
        admission.finished(str(number), 0, slow=False, probe=False, ok=False)
    assert len(admission._endpoints) <= _MOST_REMEMBERED
    admission.finished("first", 0, slow=False, probe=False, ok=True)


def test_one_more_is_remembered_when_every_other_has_a_request_under_way() -> None:
    admission = admission_of(total=10**6)
    for number in range(_MOST_REMEMBERED + 1):
        admission.started(str(number), 0)
    assert len(admission._endpoints) == _MOST_REMEMBERED + 1


def test_only_open_breakers_are_listed_and_quick_requests_counted() -> None:
    admission = admission_of()
    for endpoint in ("well", *["failing"] * 3):
        admission.started(endpoint, 0)
    assert admission.quick == 4
    for _ in range(3):
        admission.finished("failing", 0, slow=False, probe=False, ok=False)
    assert list(admission.open_breakers()) == [("failing", PROBE_EVERY)]
