"""Which deliveries wait for a newer one."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fanout.folding import update_of
from shared.contracts.event import AcceptedEvent
from shared.contracts.message import QueuedDelivery
from shared.store.folding import Update
from tests.unit.test_matching import webhook


def update(
    event_type: str = "session.progress", session_id: str = "s", to: str = "w", **settings: Any
) -> Update | None:
    data = json.dumps({"session_id": session_id, "package_id": "p", "user_id": "u"}).encode()
    event = AcceptedEvent("t", "e", event_type, "2026-01-01T00:00:00.000Z", data)
    return update_of(QueuedDelivery.first(event, to, 0), event, webhook(to, "*", **settings))


def test_only_progress_waits_and_only_where_it_is_wanted() -> None:
    assert update() is None
    assert update("session.completed", coalesce_seconds=5) is None
    made = update(coalesce_seconds=0.5)
    assert made
    assert made.window == timedelta(seconds=0.5)


names = st.tuples(st.text(max_size=3), st.sampled_from(["webhook_1", "webhook_2"]))


@given(names, names)
def test_updates_have_their_key_in_common_exactly_when_session_and_webhook_are_the_same(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    first, second = (update(session_id=session, to=to, coalesce_seconds=1) for session, to in (one, other))
    assert first
    assert second
    assert (first.key == second.key) is (one == other)


@pytest.mark.parametrize("session_id", ["\x00", "ü", '"', "\U0001f469"])
def test_a_session_may_have_any_name(session_id: str) -> None:
    made = update(session_id=session_id, coalesce_seconds=1)
    assert made
    assert made.key != getattr(update(session_id="s", coalesce_seconds=1), "key", None)
