"""What an answer means and what is next: pure, by table and by property."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.delivery.backoff import RetryPolicy, backoff
from services.delivery.decision import EXHAUSTED, EXPIRED, GONE, decide
from services.delivery.outcome import Answer, Classified, classify
from shared.contracts.delivery import Dead, Decision, ErrorKind, Outcome, Succeeded, Wait, WaitingFor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy(timedelta(seconds=5), 3, timedelta(hours=8), 12)
dice = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 1000), dice)
def test_backoff_stays_within_a_fifth_of_the_schedule(attempt: int, thrown: float) -> None:
    planned = min(5 * 3.0 ** min(attempt - 1, 60), 8 * 3600)
    assert 0.8 * planned <= backoff(POLICY, attempt, thrown).total_seconds() <= 1.2 * planned


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        (Answer(200), Outcome.SUCCEEDED, None),
        (Answer(204), Outcome.SUCCEEDED, None),
        (Answer(299), Outcome.SUCCEEDED, None),
        (Answer(301), Outcome.RETRY, ErrorKind.HTTP_STATUS),
        (Answer(400), Outcome.RETRY, ErrorKind.HTTP_STATUS),
        (Answer(410), Outcome.GONE, ErrorKind.HTTP_STATUS),
        (Answer(500), Outcome.RETRY, ErrorKind.HTTP_STATUS),
        (Answer(error=ErrorKind.TIMEOUT), Outcome.RETRY, ErrorKind.TIMEOUT),
        (Answer(error=ErrorKind.BLOCKED_ADDRESS), Outcome.RETRY, ErrorKind.BLOCKED_ADDRESS),
    ],
)
def test_the_table_of_answers(answer: Answer, outcome: Outcome, error: ErrorKind | None) -> None:
    classified = classify(answer, NOW)
    assert (classified.outcome, classified.error) == (outcome, error)


@pytest.mark.parametrize(
    ("status", "value", "wait"),
    [
        (429, "120", 120),
        (503, " 7 ", 7),
        (429, "99999999999", 24 * 3600),
        (503, "Thu, 01 Jan 2026 00:01:00 GMT", 60),
        (503, "Fri, 01 Jan 2027 00:00:00 GMT", 24 * 3600),
    ],
)
def test_retry_after_is_understood_in_both_forms_and_bounded(status: int, value: str, wait: int) -> None:
    assert classify(Answer(status, retry_after=value), NOW).not_before == NOW + timedelta(seconds=wait)


@pytest.mark.parametrize(("status", "value"), [(500, "120"), (429, "soon"), (429, ""), (429, "-5"), (503, "²")])
def test_retry_after_is_ignored_where_it_says_nothing(status: int, value: str) -> None:
    assert classify(Answer(status, retry_after=value), NOW).not_before is None


def decided(classified: Classified, attempt: int = 1, before: int = 0, age: timedelta = timedelta(0)) -> Decision:
    return decide(
        classified,
        attempt=attempt,
        attempts_before_round=before,
        policy=POLICY,
        now=NOW,
        expires_at=NOW + timedelta(days=3) - age,
        dice=0.5,
    )


def test_every_outcome_leads_somewhere() -> None:
    assert decided(Classified(Outcome.SUCCEEDED)) == Succeeded()
    assert decided(Classified(Outcome.GONE)) == Dead(GONE)
    assert decided(Classified(Outcome.RETRY)) == Wait(NOW + timedelta(seconds=5), WaitingFor.RETRY)
    assert decided(Classified(Outcome.RETRY), attempt=12) == Dead(EXHAUSTED)
    assert decided(Classified(Outcome.RETRY), attempt=13, before=12) == Wait(
        NOW + timedelta(seconds=5), WaitingFor.RETRY
    )
    assert decided(Classified(Outcome.RETRY), age=timedelta(days=3)) == Dead(EXPIRED)


def test_retry_after_is_never_cut_short() -> None:
    later = NOW + timedelta(hours=2)
    decision = decided(Classified(Outcome.RETRY, not_before=later))
    assert isinstance(decision, Wait)
    assert later <= decision.due_at <= later + timedelta(seconds=1)
