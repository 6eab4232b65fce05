"""Who is above its share: never who had little, always who had very much, and whoever had most of all."""

from hypothesis import example, given
from hypothesis import strategies as st

from services.fanout.fairness import Fairness

BURST = 500
MOST = 20 * BURST
TENANTS = 1_000
NOW = 1_800_000_000.0
counts = st.dictionaries(st.text(max_size=3), st.integers(1, 3 * MOST), max_size=30)
some = st.dictionaries(st.text(max_size=3), st.integers(1, 3 * MOST), min_size=1, max_size=30)
seconds = st.floats(-3_600, 3_600)


def above(counted: dict[str, int]) -> frozenset[str]:
    fairness = Fairness(burst=BURST)
    fairness.count(counted, NOW)
    return fairness.above_share()


def test_nobody_is_above_a_share_of_nothing() -> None:
    assert Fairness(burst=BURST).above_share() == frozenset()


@given(st.lists(st.tuples(counts, seconds), max_size=20), st.lists(st.tuples(st.integers(1, 50), seconds), max_size=10))
def test_who_had_no_more_than_a_burst_is_never_above_whatever_others_had_and_when(
    others: list[tuple[dict[str, int], float]], little: list[tuple[int, float]]
) -> None:
    fairness = Fairness(burst=BURST)
    steps = [*others, *(({"one webhook": count}, when) for count, when in little)]
    for counted, when in sorted(steps, key=lambda step: step[1]):
        fairness.count(counted, NOW + when)
        assert "one webhook" not in fairness.above_share()


def test_the_share_is_what_each_would_have_of_half_and_who_wanted_less_leaves_the_rest() -> None:
    assert above({"a": 2_700, "b": 1_000, "c": 9_300}) == {"c"}
    assert above({"a": 2_800, "b": 1_000, "c": 9_200}) == {"a", "c"}


def test_what_a_tenant_had_adds_up() -> None:
    fairness = Fairness(burst=BURST)
    for _ in range(BURST + 1):
        assert fairness.above_share() == frozenset()
        fairness.count({"a": 1, "b": 0}, NOW)
    assert fairness.above_share() == {"a"}


def test_who_had_twenty_bursts_is_above_beside_a_larger_flood_too() -> None:
    assert above({"a": MOST, "the flood": 100 * MOST}) == {"the flood"}
    assert above({"a": MOST + 1, "the flood": 100 * MOST}) == {"a", "the flood"}


@given(counts)
def test_who_had_twenty_bursts_is_always_above(counted: dict[str, int]) -> None:
    assert {tenant for tenant, count in counted.items() if count > MOST} <= above(counted)


@given(some)
def test_who_had_most_is_above_unless_that_was_a_burst(counted: dict[str, int]) -> None:
    most = max(counted, key=lambda tenant: counted[tenant])
    assert (most in above(counted)) == (counted[most] > BURST)


@given(counts)
def test_who_had_more_than_somebody_above_is_above_too(counted: dict[str, int]) -> None:
    found = above(counted)
    assert all(counted[one] < min(counted[other] for other in found) for one in counted if one not in found and found)


@given(st.dictionaries(st.text(max_size=3), st.integers(1, MOST), max_size=30))
def test_a_flood_of_three_times_all_others_together_puts_nobody_else_above(others: dict[str, int]) -> None:
    flood = max(BURST + 1, 3 * sum(others.values()))
    assert above({**others, "the flood": flood}) == {"the flood"}


@given(st.integers(2, 50), st.integers(BURST + 1, 3 * MOST), st.integers(1, BURST))
def test_equal_floods_are_all_above_and_their_neighbour_is_not(floods: int, count: int, little: int) -> None:
    counted = {f"flood {number}": count for number in range(floods)}
    assert above({**counted, "neighbour": little}) == set(counted)


@given(some, seconds)
def test_what_was_is_forgotten_also_when_the_clock_was_set_back(counted: dict[str, int], later: float) -> None:
    fairness = Fairness(burst=BURST)
    fairness.count(counted, NOW)
    fairness.count({}, NOW + later)
    fairness.count({}, NOW + later + 300)
    assert fairness.above_share() == frozenset()


def test_what_was_is_half_forgotten_in_ten_seconds() -> None:
    fairness = Fairness(burst=BURST)
    fairness.count({"a": 2**10 * BURST}, NOW)
    fairness.count({}, NOW + 99)
    assert fairness.above_share() == {"a"}
    fairness.count({}, NOW + 100)
    assert fairness.above_share() == frozenset()


@given(st.lists(st.integers(1, 3 * TENANTS), min_size=1, max_size=5))
@example([3 * TENANTS])
def test_memory_is_bounded_and_a_flood_is_not_forgotten_for_it(tenants: list[int]) -> None:
    fairness = Fairness(burst=BURST)
    fairness.count({"the flood": 10 * TENANTS * BURST}, NOW)
    for step, count in enumerate(tenants):
        fairness.count({f"tenant {step}.{number}": 1 for number in range(count)}, NOW)
        assert len(fairness._lately) <= TENANTS
    assert fairness.above_share() == {"the flood"}
    fairness.count({}, NOW + 3_600)
    assert not fairness._lately, "nor does it hold what counts for nothing"
