"""Every failed attempt comes with something to do about it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.delivery.outcome import Answer, classify
from shared.contracts.delivery import AttemptRecord
from shared.contracts.failure import ErrorKind, advice

NOW = datetime(2025, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_kind_has_advice_of_its_own(kind: ErrorKind) -> None:
    told = advice(kind, 418 if kind is ErrorKind.HTTP_STATUS else None)
    assert told
    assert told.endswith(".")
    assert [other for other in ErrorKind if advice(other, None) == told] == [kind]


@given(st.integers(100, 599))
def test_every_status_has_advice_unless_it_is_a_success(status: int) -> None:
    told = classify(Answer(status), NOW)
    assert bool(told.error) is not (200 <= status < 300)
    assert bool(advice(told.error, status)) is bool(told.error)
    assert (f"the endpoint answered {status}" in str(told.detail)) is bool(told.error)


def test_statuses_that_tell_more_have_better_advice() -> None:
    assert "signature" in str(advice("http_status", 401))
    assert "redirects are never followed" in str(advice("http_status", 302))
    assert "log" in str(advice("http_status", 503))
    assert "rate_limit" in str(advice("http_status", 429))


def test_a_history_of_another_version_may_have_a_kind_without_advice() -> None:
    assert advice("from_the_future", None) is None


def test_an_attempt_is_shown_with_its_advice() -> None:
    shown = AttemptRecord(
        n=1,
        round=1,
        at="2025-01-15T10:30:00.000Z",
        duration_ms=1,
        outcome="retry",
        status_code=None,
        error="timeout",
        detail="late",
        answer=None,
    ).model_dump()
    assert shown["advice"] == advice("timeout", None)
