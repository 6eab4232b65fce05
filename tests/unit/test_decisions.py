"""What an answer means and what is next: pure, by table and by property."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.delivery.backoff import RetryPolicy, backoff
from services.delivery.decision import EXHAUSTED, EXPIRED, GONE, decide
from services.delivery.outcome import Answer, Classified, classify
from shared.contracts.delivery import Dead, Decision, Outcome, Succeeded, Wait, WaitingFor
from shared.contracts.failure import ErrorKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy(timedelta(seconds=5), 3, timedelta(hours=8), 12)
dice = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 1000), dice)
def test_backoff_stays_within_a_fifth_of_the_schedule(attempt: int, thrown: float) -> None:
    planned = min(5 * 3.0 ** min(attempt - 1, 60), 8 * 3600)
    assert 0.8 * planned <= backoff(POLICY, attempt, thrown).total_seconds() <= 1.2 * planned


@given(st.integers(1, 1000), dice, dice)
def test_dice_spread_a_wait_over_all_of_that_fifth(attempt: int, lower: float, higher: float) -> None:
    low, high = backoff(POLICY, attempt, 0), backoff(POLICY, attempt, 1)
    assert high / low == pytest.approx(1.2 / 0.8)
    lower, higher = sorted((lower, higher))
    assert low <= backoff(POLICY, attempt, lower) <= backoff(POLICY, attempt, higher) <= high


@given(st.floats(1, 100), st.integers(1, 1000), dice)
def test_no_wait_is_shorter_than_the_first_or_longer_than_the_cap_give_or_take_a_fifth(
    factor: float, attempt: int, thrown: float
) -> None:
    policy = RetryPolicy(timedelta(seconds=5), factor, timedelta(hours=8), 12)
    assert timedelta(seconds=4) <= backoff(policy, attempt, thrown) <= timedelta(hours=8) * 1.2


@given(st.integers(100, 999))
def test_every_status_has_one_outcome_and_words_that_name_it(status: int) -> None:
    classified = classify(Answer(status), NOW)
    if 200 <= status < 300:
        assert classified == Classified(Outcome.SUCCEEDED)
    else:
        assert classified.outcome is (Outcome.GONE if status == 410 else Outcome.RETRY)
        assert classified.error is ErrorKind.HTTP_STATUS
        assert (classified.detail or "").startswith(f"the endpoint answered {status}")


@given(st.sampled_from(ErrorKind), st.text())
def test_what_gave_no_status_is_tried_again_and_told_as_the_sender_told_it(error: ErrorKind, detail: str) -> None:
    classified = classify(Answer(error=error, detail=detail, retry_after="120"), NOW)
    assert classified == Classified(Outcome.RETRY, error, detail)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (410, "410 Gone"),
        (503, "503 Service Unavailable"),
        (599, "599"),
        (300, "300 Multiple Choices; redirects are not followed"),
        (301, "301 Moved Permanently; redirects are not followed"),
        (399, "399; redirects are not followed"),
    ],
)
def test_the_words_for_a_status(status: int, words: str) -> None:
    assert classify(Answer(status), NOW).detail == f"the endpoint answered {words}"


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        (Answer(199), Outcome.RETRY, ErrorKind.HTTP_STATUS),
        (Answer(200), Outcome.SUCCEEDED, None),
        (Answer(204), Outcome.SUCCEEDED, None),
        (Answer(299), Outcome.SUCCEEDED, None),
        (Answer(300), Outcome.RETRY, ErrorKind.HTTP_STATUS),
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
        (503, "000000000120", 120),
        (503, "0", 0),
        (503, "Thu, 01 Jan 2026 00:01:00 GMT", 60),
        (503, "Thu, 01 Jan 2026 00:01:00 -0000", 60),
        (503, "Thu, 01 Jan 2026 01:01:00 +0100", 60),
        (503, "Fri, 01 Jan 2027 00:00:00 GMT", 24 * 3600),
    ],
)
def test_retry_after_is_understood_in_both_forms_and_bounded(status: int, value: str, wait: int) -> None:
    assert classify(Answer(status, retry_after=value), NOW).not_before == NOW + timedelta(seconds=wait)


@pytest.mark.parametrize(
    ("status", "value"), [(500, "120"), (429, "soon"), (429, ""), (429, "-5"), (503, "²"), (503, "9" * 5000)]
)
def test_retry_after_is_ignored_where_it_says_nothing(status: int, value: str) -> None:
    assert classify(Answer(status, retry_after=value), NOW).not_before is None


numbers = st.integers(-1, 10**30)


@given(
    st.one_of(
        st.text(),
        st.builds("{:02}".format, numbers),
        st.builds("Thu, {:02} Jan {:04} {:02}:00:00 {:+05}".format, numbers, numbers, numbers, numbers),
    )
)
def test_whatever_retry_after_says_it_is_read_or_ignored_and_asks_for_a_day_at_most(value: str) -> None:
    not_before = classify(Answer(503, retry_after=value), NOW).not_before
    assert not_before is None or not_before <= NOW + timedelta(hours=24)


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


def test_what_is_due_at_the_last_moment_is_tried_and_a_moment_later_not() -> None:
    wait = timedelta(seconds=5)
    assert isinstance(decided(Classified(Outcome.RETRY), age=timedelta(days=3) - wait), Wait)
    just = timedelta(microseconds=1)
    assert decided(Classified(Outcome.RETRY), age=timedelta(days=3) - wait + just) == Dead(EXPIRED)


moments = st.datetimes(datetime(2025, 12, 25), datetime(2026, 1, 8), timezones=st.just(UTC))


@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 30), st.one_of(st.none(), moments), moments, dice)
def test_a_failure_is_tried_again_within_its_round_and_its_time_and_not_sooner_than_asked(
    tried: int, before: int, most: int, not_before: datetime | None, expires_at: datetime, thrown: float
) -> None:
    decision = decide(
        Classified(Outcome.RETRY, not_before=not_before),
        attempt=before + tried,
        attempts_before_round=before,
        policy=RetryPolicy(timedelta(seconds=5), 3, timedelta(hours=8), most),
        now=NOW,
        expires_at=expires_at,
        dice=thrown,
    )
    match decision:
        case Wait(due_at, why):
            assert tried < most
            assert NOW + timedelta(seconds=4) <= due_at <= expires_at
            assert not_before is None or not_before <= due_at
            assert why is (WaitingFor.RETRY_AFTER if not_before else WaitingFor.RETRY)
        case Dead(reason):
            assert reason == (EXHAUSTED if tried >= most else EXPIRED)
        case _:
            raise AssertionError(decision)


def test_retry_after_is_never_cut_short() -> None:
    later = NOW + timedelta(hours=2)
    decision = decided(Classified(Outcome.RETRY, not_before=later))
    assert isinstance(decision, Wait)
    assert later <= decision.due_at <= later + timedelta(seconds=1)
