"""What an endpoint's answer means. Pure; the rules are a table in `docs/receivers.md`."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import msgspec

from shared.contracts.delivery import Outcome
from shared.contracts.failure import ErrorKind

LONGEST_RETRY_AFTER = timedelta(hours=24)
_PHRASES = {status.value: f" {status.phrase}" for status in HTTPStatus}


class Answer(msgspec.Struct, frozen=True):
    """What came back: a status with the start of its body, or an error kind with its detail."""

    status_code: int | None = None
    body: bytes = b""
    retry_after: str | None = None
    error: ErrorKind | None = None
    detail: str | None = None


class Classified(msgspec.Struct, frozen=True):
    """`not_before` is set when the endpoint said when to come back."""

    outcome: Outcome
    error: ErrorKind | None = None
    detail: str | None = None
    not_before: datetime | None = None


def classify(answer: Answer, now: datetime) -> Classified:
    """2xx succeeded; 410 gone; any other status and every failure to get one: retry."""
    status = answer.status_code
    if status is None:
        return Classified(Outcome.RETRY, answer.error, answer.detail)
    if 200 <= status < 300:
        return Classified(Outcome.SUCCEEDED)
    if status == 410:
        return Classified(Outcome.GONE, ErrorKind.HTTP_STATUS, _said(status))
    not_before = _retry_after(answer.retry_after, now) if status in (429, 503) else None
    return Classified(Outcome.RETRY, ErrorKind.HTTP_STATUS, _said(status), not_before)


def _said(status: int) -> str:
    redirected = "; redirects are not followed" if status // 100 == 3 else ""
    return f"the endpoint answered {status}{_PHRASES.get(status, '')}{redirected}"


def _retry_after(value: str | None, now: datetime) -> datetime | None:
    """Both forms of RFC 9110 §10.2.3, seconds or a date; bounded, and nothing when it cannot be read."""
    if not value:
        return None
    text = value.strip()
    try:
        if text.isascii() and text.isdigit():
            return now + timedelta(seconds=min(int(text), LONGEST_RETRY_AFTER.total_seconds()))
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # also thousands of digits, and a year of twenty
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(moment, now + LONGEST_RETRY_AFTER)
