"""How long to wait before the next attempt. Pure: the dice come in as a number."""

from dataclasses import dataclass
from datetime import timedelta

JITTER = 0.2


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential: `base`, `base * factor`, … up to `cap`; `max_attempts` counts the first try."""

    base: timedelta
    factor: float
    cap: timedelta
    max_attempts: int


def backoff(policy: RetryPolicy, attempt: int, dice: float) -> timedelta:
    """The wait after `attempt` (1 is the first try) failed; `dice` in [0, 1) spreads it over ±20 %."""
    # The exponent is bounded, so that a large factor cannot overflow a float on its way to the cap.
    growth = min(policy.factor ** min(attempt - 1, 60), policy.cap / policy.base)
    return policy.base * growth * (1 - JITTER + 2 * JITTER * dice)
