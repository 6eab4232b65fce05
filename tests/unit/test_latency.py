"""Percentiles from a few figures are close to the exact ones; an hour is the sum of its minutes."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.cell import Cell
from shared.contracts.stats import HourStats
from shared.latency import bucket, percentile

latencies = st.one_of(st.integers(0, 50), st.integers(0, 5_000), st.integers(0, 3 * 24 * 3_600_000))


@given(st.lists(latencies, min_size=1, max_size=300), st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_within_a_fifth_of_the_exact_one(milliseconds: list[int], share: float) -> None:
    exact = sorted(milliseconds)[max(1, math.ceil(share * len(milliseconds))) - 1]
    found = percentile(Counter(map(bucket, milliseconds)), share)
    assert found is not None
    assert abs(found - exact) <= max(1, 0.2 * exact)


def test_none_has_no_percentile() -> None:
    assert percentile({}, 0.5) is None


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_who_took_longer_is_in_no_lower_bucket(one: int, other: int) -> None:
    assert (bucket(one) <= bucket(other)) or one > other


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))
def test_what_the_database_cuts_off_a_moment_leaves_it_in_its_cell(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    cell = Cell.of("t", moment)
    assert cell == Cell.of("t", moment.replace(microsecond=moment.microsecond // 1000 * 1000))
    assert cell.hour <= cell.begins <= moment < cell.begins + timedelta(minutes=1)


def minute(attempts: int, latency: dict[str, int], **counts: int) -> dict[str, object]:
    return {"as_of": None, "counts": counts, "attempts": attempts, "latency": latency}


def test_an_hour_is_the_sum_of_its_minutes() -> None:
    minutes = {"0": minute(3, {"20": 2}, succeeded=2, dead=1), "59": minute(1, {"40": 1}, succeeded=1, waiting=4)}
    hour = datetime(2026, 1, 1, 7, tzinfo=UTC)
    found = HourStats.of({"hour": hour, "webhook_id": "w", "minutes": minutes})
    assert (found.hour, found.webhook_id) == ("2026-01-01T07:00:00.000Z", "w")
    assert (found.created, found.succeeded, found.dead, found.waiting, found.pending) == (8, 3, 1, 4, 0)
    assert (found.attempts, found.success_rate) == (4, 0.75)
    assert found.latency_ms
    assert (found.latency_ms.p50, found.latency_ms.p99) == (34, 1116)


def test_nothing_decided_has_no_rate_and_nothing_delivered_no_latency() -> None:
    found = HourStats.of(
        {"hour": datetime(2026, 1, 1, tzinfo=UTC), "webhook_id": None, "minutes": {"7": minute(0, {}, pending=1)}}
    )
    assert (found.created, found.success_rate, found.latency_ms) == (1, None, None)
