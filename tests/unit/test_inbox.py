"""How long fan-out lets a batch grow."""

from itertools import pairwise

import pytest

from services.fanout.inbox import beat


def test_behind_a_lone_event_the_next_one_waits_for_nothing() -> None:
    assert beat(1) == 0


def test_the_larger_a_batch_the_longer_the_next_one_may_grow() -> None:
    beats = [beat(size) for size in range(1, 31)]
    assert all(shorter < longer for shorter, longer in pairwise(beats))


def test_no_batch_waits_longer_than_forty_milliseconds() -> None:
    assert beat(30) < beat(50) == beat(2_000) == pytest.approx(0.04)
