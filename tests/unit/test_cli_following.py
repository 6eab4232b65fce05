"""What `events tail` shows of lists that it reads again and again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.cli.following import OVERLAP, Following
from shared.times import iso

BEGIN = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)


def entry(name: str, seconds: float, status: str = "succeeded") -> dict[str, Any]:
    return {"id": name, "created_at": iso(BEGIN + timedelta(seconds=seconds)), "status": status}


def events() -> Following:
    return Following(mark=lambda _: None)


def deliveries() -> Following:
    return Following(mark=lambda one: one["status"], goes_on=lambda one: one["status"] == "waiting")


def listed(entries: list[dict[str, Any]], since: str | None) -> list[dict[str, Any]]:
    """As the API lists them."""
    found = [one for one in entries if since is None or one["created_at"] >= since]
    return sorted(found, key=lambda one: (one["created_at"], one["id"]), reverse=True)


late = st.timedeltas(timedelta(0), OVERLAP - timedelta(milliseconds=1))


@given(st.lists(st.tuples(st.timedeltas(timedelta(0), timedelta(minutes=1)), late), max_size=30))
def test_each_is_shown_once_however_late_it_can_be_seen_within_the_overlap(times: list[tuple[Any, Any]]) -> None:
    """Entries that can be seen some time after the moment that they carry."""
    made = [(moment + delay, entry(f"e{n}", moment.total_seconds())) for n, (moment, delay) in enumerate(times)]
    following, shown, there = events(), [], []
    for _, one in sorted(made, key=lambda pair: pair[0]):
        there.append(one)
        shown += following.fresh(listed(there, following.since))
    assert sorted(one["id"] for one in shown) == sorted(one["id"] for _, one in made)


def test_what_is_shown_at_once_is_shown_oldest_first() -> None:
    assert [one["id"] for one in events().fresh([entry("b", 1), entry("a", 0)])] == ["a", "b"]


def test_since_bounds_what_is_read_first() -> None:
    following = Following(mark=lambda _: None, since=iso(BEGIN))
    assert following.since == iso(BEGIN)
    following.fresh([entry("a", 60)])
    assert following.since == iso(BEGIN + timedelta(seconds=60) - OVERLAP)


def test_a_delivery_is_shown_again_when_its_state_changed() -> None:
    following = deliveries()
    assert following.fresh([entry("d", 0, "waiting")])
    assert not following.fresh([entry("d", 0, "waiting")])
    assert following.fresh([entry("d", 0, "succeeded")])


def test_what_goes_on_is_remembered_beyond_the_overlap_and_looked_at_in_turn() -> None:
    following = deliveries()
    following.fresh([entry("b", 1, "waiting"), entry("a", 0, "waiting"), entry("done", 0)])
    following.fresh([entry("new", 60)])
    assert sorted(following.going_on(10)) == ["a", "b"]
    [first] = following.going_on(1)
    assert not following.fresh([entry(first, 0 if first == "a" else 1, "waiting")])
    [second] = following.going_on(1)
    assert second != first
    assert following.fresh([entry(second, 0, "succeeded")])
    assert following.going_on(10) == [first]
    following.lose(first)
    assert following.going_on(10) == []


def test_memory_does_not_grow_with_what_goes_on() -> None:
    following = deliveries()
    for n in range(1_000):
        following.fresh([entry(f"d{n:04}", n, "waiting")])
    assert len(following.going_on(1_000)) == 100
