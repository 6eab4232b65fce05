"""What is kept of an answer holds no value of the customer's own headers."""

import json
from html import escape
from urllib.parse import quote

import pytest

from services.delivery.masking import masked
from services.delivery.outcome import Answer
from shared.contracts.delivery import ANSWER_KEPT_BYTES
from shared.contracts.failure import ErrorKind

TOKEN = 'sek/ret"<&>\\token+=='
OWN = {"Authorization": f"Bearer {TOKEN}", "X-Team": "lms"}


@pytest.mark.parametrize(
    "form",
    [TOKEN, json.dumps(TOKEN)[1:-1], json.dumps(TOKEN)[1:-1].replace("/", r"\/"), escape(TOKEN), quote(TOKEN, "")],
)
def test_a_repeated_value_is_hidden_in_any_form_with_and_without_its_scheme(form: str) -> None:
    body = f"you sent {form} and Bearer {form}.".encode()
    hidden = masked(Answer(200, body), OWN).body
    assert form.encode() not in hidden
    assert hidden.count(b"[hidden]") == 2
    assert form not in str(
        masked(Answer(error=ErrorKind.MALFORMED_ANSWER, detail=f"BadStatusLine: {form}"), OWN).detail
    )


@pytest.mark.parametrize("kept", range(6, len(TOKEN)))
def test_a_value_that_the_end_cuts_in_two_is_hidden_too(kept: int) -> None:
    body = b"x" * (ANSWER_KEPT_BYTES - kept) + TOKEN[:kept].encode()
    assert TOKEN[:6].encode() not in masked(Answer(200, body), OWN).body


def test_an_answer_stays_as_long_as_is_kept_and_all_else_as_it_is() -> None:
    many = masked(Answer(200, b"lms " + TOKEN.encode() * 50, "5"), {"X-A": TOKEN, "X-B": "lms"})
    assert len(many.body) <= ANSWER_KEPT_BYTES
    assert many.body.startswith(b"lms [hidden][hidden]")
    assert (many.status_code, many.retry_after, many.detail) == (200, "5", None)
    untouched = Answer(500, b"\xff\x00" + TOKEN.encode())
    assert masked(untouched, {}) is untouched
    assert masked(Answer(500, b"\xff\x00"), OWN).body == b"\xff\x00"
