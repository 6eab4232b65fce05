"""What pages say of durations and of waiting, and where they draw attempts."""

import pytest

from services.api.dashboard import words
from services.api.dashboard.timeline import timeline
from shared.contracts.delivery import AttemptRecord, DeliveryRecord, WaitingFor
from shared.durations import duration

_MADE = "2025-01-15T10:00:00.000Z"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (59_949, "59.9 s"),
        (60_000, "1 min"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (100_800_000, "1 d 4 h"),
    ],
)
def test_a_duration_is_said_in_its_largest_units(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text


def test_every_reason_to_wait_has_its_words() -> None:
    said = {words.waits(reason) for reason in (*WaitingFor, None)}
    assert len(said) == len(WaitingFor) + 1


def record(*attempts: tuple[str, int, str], status: str = "dead", due_at: str | None = None) -> DeliveryRecord:
    made = [
        AttemptRecord.model_construct(n=n, at=at, duration_ms=duration, outcome=outcome)
        for n, (at, duration, outcome) in enumerate(attempts, 1)
    ]
    return DeliveryRecord.model_construct(created_at=_MADE, status=status, due_at=due_at, attempts=made)


def test_attempts_are_drawn_to_scale_up_to_the_end_of_the_last() -> None:
    drawn = timeline(
        record(("2025-01-15T10:00:00.000Z", 10_000, "retry"), ("2025-01-15T10:01:30.000Z", 10_000, "succeeded"))
    )
    assert drawn is not None
    assert [(bar.n, bar.left, bar.width, bar.good) for bar in drawn.bars] == [
        (1, 0.0, 10.0, False),
        (2, 90.0, 10.0, True),
    ]
    assert (drawn.seconds, drawn.due) == (100.0, None)


def test_what_is_due_is_part_of_the_scale_and_short_attempts_stay_visible() -> None:
    drawn = timeline(
        record(("2025-01-15T10:00:00.000Z", 3, "retry"), status="waiting", due_at="2025-01-15T11:00:00.000Z")
    )
    assert drawn is not None
    assert (drawn.seconds, drawn.due) == (3600.0, 100.0)
    assert drawn.bars[0].width > 0.5


def test_an_instant_at_the_very_end_stays_inside_and_without_attempts_there_is_nothing_to_draw() -> None:
    drawn = timeline(record(("2025-01-15T10:00:00.000Z", 0, "retry"), ("2025-01-15T11:00:00.000Z", 0, "retry")))
    assert drawn is not None
    assert all(bar.left + bar.width <= 100 for bar in drawn.bars)
    assert timeline(record()) is None


def test_an_attempt_from_a_clock_that_was_behind_is_drawn_at_the_beginning() -> None:
    drawn = timeline(record(("2025-01-15T09:59:59.000Z", 500, "retry")))
    assert drawn is not None
    assert drawn.bars[0].left == 0.0
