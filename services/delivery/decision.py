"""What is next for a delivery after an attempt. Pure: returns a value, the service carries it out."""

from datetime import datetime, timedelta

from services.delivery.backoff import RetryPolicy, backoff
from services.delivery.outcome import Classified
from shared.contracts.delivery import Dead, Decision, Outcome, Succeeded, Wait, WaitingFor

GONE = "gone"
EXHAUSTED = "attempts_exhausted"
EXPIRED = "expired"


def decide(
    classified: Classified,
    *,
    attempt: int,
    attempts_before_round: int,
    policy: RetryPolicy,
    now: datetime,
    expires_at: datetime,
    dice: float,
) -> Decision:
    """`attempt` counts over all rounds; a round's budget starts after `attempts_before_round`."""
    if classified.outcome is Outcome.SUCCEEDED:
        return Succeeded()
    if classified.outcome is Outcome.GONE:
        return Dead(GONE)
    tried = attempt - attempts_before_round
    if tried >= policy.max_attempts:
        return Dead(EXHAUSTED)
    due_at, why = now + backoff(policy, tried, dice), WaitingFor.RETRY
    if classified.not_before:
        due_at, why = max(due_at, classified.not_before + timedelta(seconds=dice)), WaitingFor.RETRY_AFTER
    return Dead(EXPIRED) if due_at > expires_at else Wait(due_at, why)
