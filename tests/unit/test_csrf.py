"""The token in the dashboard's forms: each page's own, and good for its session only."""

from base64 import urlsafe_b64encode

import pytest
from aiohttp_session import Session

from services.api.dashboard.session import csrf_token, holds_csrf_token


def session() -> Session:
    return Session(None, data=None, new=True)


def test_no_two_pages_hold_the_same_token_and_each_is_good() -> None:
    visitor = session()
    tokens = {csrf_token(visitor) for _ in range(100)}
    assert len(tokens) == 100
    assert all(holds_csrf_token(visitor, token) for token in tokens)


def test_the_secret_itself_stands_in_no_page() -> None:
    visitor = session()
    token = csrf_token(visitor)
    assert visitor["csrf"] not in token
    assert urlsafe_b64encode(visitor["csrf"].encode()).decode() not in token


def test_a_token_of_another_session_is_not_good() -> None:
    assert not holds_csrf_token(session(), csrf_token(session()))


@pytest.mark.parametrize("wrong", ["", "guessed", "AAAA", "A" * 86 + "==", "A" * 128, "ü", "\x00", "=", "a" * 100_000])
def test_what_is_no_token_is_refused_and_no_fault(wrong: str) -> None:
    assert not holds_csrf_token(session(), wrong)
    assert not holds_csrf_token(session(), csrf_token(session())[:-4])
