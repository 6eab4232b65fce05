"""Latencies as counts per bucket, four to each doubling, so that any number of them is a few figures. Pure."""

import math
from collections.abc import Mapping

PER_DOUBLING = 4


def bucket(milliseconds: int) -> int:
    """MongoDB counts by the same formula: see `shared/store/stats.py`."""
    return math.floor(PER_DOUBLING * (math.log(milliseconds + 1) / math.log(2)))


def percentile(counts: Mapping[int, int], share: float) -> int | None:
    """Milliseconds within which `share` of all were done: the geometric middle of that one's bucket. None of none.

    A bucket's ends are a factor of 1.19 apart, so this is within 10 % of the exact figure, give or take the
    millisecond that latencies are rounded to.
    """
    wanted = max(1, math.ceil(share * sum(counts.values())))
    seen = 0
    for number in sorted(counts):
        seen += counts[number]
        if seen >= wanted:
            return round(2 ** ((number + 0.5) / PER_DOUBLING) - 1)
    return None
