"""The circuit breaker: it opens, lets one probe through at a time, and closes."""

from hypothesis import given
from hypothesis import strategies as st

from services.delivery.breaker import Breaker
from tests.unit.admissions import POLICY, PROBE_EVERY


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.floats(0, 30)), max_size=50))
def test_a_breaker_lets_one_probe_through_at_a_time_and_not_before_its_time(
    taken: list[tuple[bool | None, float]],
) -> None:
    breaker, now, in_a_row = Breaker(POLICY), 0.0, 0
    for ok, pause in taken:
        now += pause
        if breaker.admits(now):
            was_open = breaker.probe_at is not None
            assert not was_open or now >= (breaker.probe_at or 0)
            probe = breaker.started()
            assert probe is was_open
            assert breaker.admits(now) is not probe
            breaker.ended(ok, now, probe=probe)
            in_a_row = in_a_row if ok is None else (0 if ok else in_a_row + 1)
        assert breaker.failures == in_a_row
        assert (breaker.probe_at is not None) is (in_a_row >= POLICY.failures)


def test_who_was_inside_when_the_breaker_opened_does_not_move_the_probe() -> None:
    breaker = Breaker(POLICY)
    for moment in range(5):
        breaker.ended(False, moment, probe=False)
    assert breaker.probe_at == 2 + PROBE_EVERY
    breaker.ended(True, 5, probe=False)
    assert breaker.probe_at is None, "any success shows that it works"


def opened() -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(POLICY.failures):
        breaker.ended(False, 0, probe=False)
    return breaker


def test_a_probe_may_go_from_its_moment_on_and_not_a_second_beside_it() -> None:
    breaker = opened()
    assert not breaker.admits(PROBE_EVERY - 0.001)
    assert breaker.admits(PROBE_EVERY)
    assert breaker.started()
    assert not breaker.admits(PROBE_EVERY + 1)


def test_a_probe_that_fails_puts_the_next_off() -> None:
    breaker = opened()
    breaker.started()
    breaker.ended(False, 15, probe=True)
    assert breaker.probe_at == 15 + PROBE_EVERY
    assert breaker.admits(15 + PROBE_EVERY)


def test_a_probe_that_sent_nothing_leaves_its_turn_to_another() -> None:
    breaker = opened()
    breaker.started()
    breaker.ended(None, 15, probe=True)
    assert breaker.probe_at == PROBE_EVERY
    assert breaker.admits(15)


def test_who_was_inside_may_open_it_again_after_a_probe_closed_it_and_then_a_probe_goes() -> None:
    breaker = opened()
    breaker.started()
    breaker.ended(True, 15, probe=True)
    for _ in range(POLICY.failures):
        breaker.ended(False, 20, probe=False)
    assert not breaker.admits(20)
    assert breaker.admits(20 + PROBE_EVERY)
