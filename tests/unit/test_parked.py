"""What a parked message says of itself, and what of it is sent again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.parked_choice import wanted_by
from shared.broker.consumer import Message
from shared.broker.headers import PUBLISHED_AT
from shared.broker.parked import Parked, parked, tenants
from shared.broker.parked_choice import ParkedWanted
from shared.ids import event_id_of_bytes

AT = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)
OURS = {
    "x-parked-from": "fanout",
    "x-parked-reason": "data: missing field",
    "x-parked-routing-key": "session.created",
    "x-parked-at": "2025-01-15T10:30:00.000Z",
}
DEATH = {"queue": "deliveries", "reason": "delivery_limit", "time": AT, "count": 1, "routing-keys": ["deliveries"]}
anything = st.recursive(
    st.none() | st.integers() | st.text() | st.binary() | st.datetimes(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x),
)


def message(body: bytes = b"{}", headers: dict[str, Any] | None = None, message_id: str | None = None) -> Message:
    return Message(body, headers or {}, message_id, "parked", False, 1, None)  # type: ignore[arg-type]


def test_one_that_we_parked_says_why_whence_and_when() -> None:
    had = {"x-parked-message-id": "m1", "traceparent": "00-x", PUBLISHED_AT: 1_000}
    one = parked(message(headers={**OURS, **had}))
    told = (one.came_from, one.reason, one.routing_key, one.message_id, one.at)
    assert told == ("fanout", "data: missing field", "session.created", "m1", AT)
    assert one.origin == "fanout"
    assert one.headers_to_send() == {"traceparent": "00-x"}, "what is sent again is published now"


def test_one_that_the_broker_parked_says_it_in_the_broker_s_headers() -> None:
    headers = {"x-death": [DEATH], "x-first-death-queue": "deliveries", "x-delivery-count": 20, "traceparent": "00-x"}
    one = parked(message(headers=headers, message_id="m1"))
    told = (one.came_from, one.reason, one.routing_key, one.message_id, one.at)
    assert told == ("deliveries", "dead-lettered by RabbitMQ: delivery_limit", "deliveries", "m1", AT)
    assert one.headers_to_send() == {"traceparent": "00-x"}


def test_one_that_says_nothing_is_shown_all_the_same_and_sent_nowhere() -> None:
    one = parked(message(b"\xff"))
    assert (one.came_from, one.reason, one.routing_key, one.message_id, one.at, one.origin) == (None,) * 6
    assert parked(message(headers={**OURS, "x-parked-from": "elsewhere"})).origin is None


@given(st.binary(), st.dictionaries(st.sampled_from([*OURS, "x-death", "x-parked-message-id"]), anything))
def test_whatever_it_holds_it_can_be_listed(body: bytes, headers: dict[str, Any]) -> None:
    one = parked(message(body, headers))
    assert one.id.startswith("parked_")
    assert one.at is None or one.at.tzinfo


@given(st.binary(), st.integers(0, 100))
def test_its_id_stays_the_same_while_it_is_parked(body: bytes, looks: int) -> None:
    """Looking counts as a delivery, which changes a header."""
    later = parked(message(body, {**OURS, "x-delivery-count": looks}))
    assert later.id == parked(message(body, OURS)).id


@pytest.mark.parametrize(
    "other",
    [
        message(b"[]", OURS),
        message(b"{}", {**OURS, "x-parked-from": "deliveries"}),
        message(b"{}", {**OURS, "x-parked-message-id": "m1"}),
        message(b"{}", {**OURS, "x-parked-at": "2025-01-15T10:30:00.001Z"}),
    ],
)
def test_another_message_has_another_id(other: Message) -> None:
    assert parked(other).id != parked(message(b"{}", OURS)).id


@pytest.mark.parametrize(
    ("body", "whose"),
    [
        (b'{"event":"x","tenant_id":"acme","data":{}}', {"acme"}),
        (b'[{"tenant_id":"acme"},{"tenant_id":"b"},{}]', {"acme", "b"}),
        (b'{"v":1,"deliveries":[{"tenant_id":"acme"},{"tenant_id":"acme"}]}', {"acme"}),
        (b'{"tenant_id":5}', set()),
        (b'{"tenant_id":"acme"', set()),
        (b"[" * 100_000, set()),
        (b'{"tenant_id":"\xff"}', set()),
        (b"", set()),
    ],
)
def test_tenants_are_read_where_they_can_be(body: bytes, whose: set[str]) -> None:
    assert tenants(body) == whose


def test_a_repeat_of_it_is_recognised_by_the_id_it_is_sent_with() -> None:
    dated, undated, many = b'{"timestamp":"2025-01-15T10:30:00Z"}', b"{}", b'[{"timestamp":"x"}]'
    assert parked(message(dated, {**OURS, "x-parked-message-id": "m1"})).message_id_to_send(dated) == "m1"
    assert parked(message(dated, OURS)).message_id_to_send(dated) == event_id_of_bytes(dated)
    for body in (undated, many):
        one = parked(message(body, OURS))
        assert one.message_id_to_send(body) == one.id
    again = parked(message(dated, {**OURS, "x-parked-from": "deliveries"}))
    assert again.message_id_to_send(dated) == again.id


def one_parked(**changes: str | None) -> Parked:
    names = {"reason": "x-parked-reason", "came_from": "x-parked-from", "at": "x-parked-at"}
    headers = {**OURS, **{names[field]: value for field, value in changes.items()}}
    return parked(message(b'{"tenant_id":"acme"}', headers))


@pytest.mark.parametrize(
    "wanted",
    [
        ParkedWanted(),
        ParkedWanted(ids=frozenset({one_parked().id})),
        ParkedWanted(came_from="fanout"),
        ParkedWanted(reason="MISSING"),
        ParkedWanted(tenant="acme"),
        ParkedWanted(since=AT, until=AT + timedelta(milliseconds=1)),
    ],
)
def test_what_matches_is_taken(wanted: ParkedWanted) -> None:
    assert wanted.takes(one_parked())


@pytest.mark.parametrize(
    "wanted",
    [
        ParkedWanted(ids=frozenset({"parked_0"})),
        ParkedWanted(came_from="deliveries"),
        ParkedWanted(reason="other"),
        ParkedWanted(tenant="b"),
        ParkedWanted(since=AT + timedelta(milliseconds=1)),
        ParkedWanted(until=AT),
    ],
)
def test_one_thing_that_does_not_match_leaves_it_out(wanted: ParkedWanted) -> None:
    assert not wanted.takes(one_parked())


def test_one_that_does_not_say_does_not_match() -> None:
    silent = one_parked(reason=None, at="once")
    assert not any(
        wanted.takes(silent) for wanted in (ParkedWanted(reason=" "), ParkedWanted(since=AT), ParkedWanted(until=AT))
    )


def test_what_operators_write_is_what_is_wanted() -> None:
    wanted = wanted_by(["a", "b"], "fanout", "x", "acme", "2025-01-15T10:30:00Z", None)
    assert (wanted.ids, wanted.since, wanted.everything) == ({"a", "b"}, AT, False)
    assert wanted_by(None, None, None, None, None, None).everything
