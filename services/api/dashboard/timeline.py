"""Where in a delivery's life its attempts lie, to scale. Pure."""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.delivery import DeliveryRecord, Outcome

_LEAST = 0.6  # percent of the width, below which nobody sees a bar


@dataclass(frozen=True, slots=True)
class Bar:
    """An attempt; `left` and `width` in percent of the whole."""

    n: int
    left: float
    width: float
    good: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """From when the delivery was made to its end: the last attempt's, or the moment at which somebody looks again."""

    bars: tuple[Bar, ...]
    seconds: float
    due: float | None
    """Percent of the width, when there will be another attempt."""


def timeline(delivery: DeliveryRecord) -> Timeline | None:
    """None when nothing was attempted."""
    if not delivery.attempts:
        return None
    made = datetime.fromisoformat(delivery.created_at)

    def after(text: str) -> float:
        return (datetime.fromisoformat(text) - made).total_seconds()

    spans = [(attempt, after(attempt.at), attempt.duration_ms / 1000) for attempt in delivery.attempts]
    due = after(delivery.due_at) if delivery.due_at and delivery.status == "waiting" else None
    whole = max(0.001, due or 0.0, *(start + lasted for _, start, lasted in spans))
    bars = tuple(
        Bar(
            n=attempt.n,
            left=min(100 - _LEAST, max(0.0, 100 * start / whole)),
            width=max(_LEAST, 100 * lasted / whole),
            good=attempt.outcome == Outcome.SUCCEEDED,
        )
        for attempt, start, lasted in spans
    )
    return Timeline(bars, whole, None if due is None else 100 * due / whole)
