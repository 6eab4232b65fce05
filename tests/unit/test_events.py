"""Events: what is valid, what is refused and in which words, and that `data` stays as it was."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.event import parse, split
from shared.contracts.event_types import EVENT_TYPES, GUIDE_TYPES
from shared.errors import InvalidMessage

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/v1"
SESSION = {"session_id": "s", "package_id": "p", "user_id": "u"}


def event(**changes: Any) -> bytes:
    whole = {"event": "session.created", "tenant_id": "t1", "data": SESSION, "timestamp": "2025-01-15T10:30:00.000Z"}
    return json.dumps({name: value for name, value in {**whole, **changes}.items() if value is not None}).encode()


@pytest.mark.parametrize("raw", (FIXTURES / "guide-payloads.jsonl").read_bytes().splitlines())
def test_every_payload_printed_in_the_guide_is_valid(raw: bytes) -> None:
    accepted = parse(raw, now=NOW)
    assert accepted.type == json.loads(raw)["event"]
    assert json.loads(accepted.data) == json.loads(raw)["data"]


def test_the_guide_prints_every_type_we_know() -> None:
    printed = {json.loads(line)["event"] for line in (FIXTURES / "guide-payloads.jsonl").read_text().splitlines()}
    assert printed == set(GUIDE_TYPES)


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_the_catalogue_s_examples_are_valid(name: str) -> None:
    assert parse(event(event=name, data=EVENT_TYPES[name].example), now=NOW).type == name


def test_data_are_posted_byte_for_byte() -> None:
    data = b'{ "user_id":"u", "session_id":"s","package_id" : "p", "big":18446744073709551616, "price":1.10, "e":1e400}'
    raw = b'{"event":"session.created","tenant_id":"t1","data":' + data + b',"timestamp":"2025-01-15T10:30:00.000Z"}'
    accepted = parse(raw, now=NOW)
    assert accepted.data == data
    assert data in accepted.to_json()
    assert data in accepted.payload("delivery_1")


def test_a_body_has_the_guide_s_keys_in_its_order() -> None:
    body = json.loads(parse(event(), now=NOW).payload("delivery_1"))
    assert list(body) == ["event", "tenant_id", "data", "timestamp", "delivery_id"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not JSON"),
        (b"nonsense", "not JSON"),
        (b"[1]", "Expected `object`, got `array`"),
        (b'"text"', "Expected `object`, got `str`"),
        (b"{}", "missing field `event`"),
        (event(event="session.paused"), "event: unknown event type 'session.paused'; known: package.processing"),
        (event(tenant_id=None), "tenant_id: Field required"),
        (event(tenant_id="a/b"), "tenant_id: String should match"),
        (event(data={"session_id": "s", "package_id": "p"}), "data.user_id: Field required"),
        (event(event="session.progress", data={**SESSION, "score": {"raw": "85"}}), "data.score.raw: Input should be"),
        (event(data=[]), "data: Input should be"),
        (event(timestamp="yesterday"), "timestamp: Input should be a valid datetime"),
        (event(timestamp="2025-01-15T10:30:00"), "timestamp: Input should have timezone"),
        (event(unknown=1), "unknown: Extra inputs are not permitted"),
        (event(event_id="has space"), "event_id: String should match"),
        (event().replace(b'"u"', b'"\xff"'), "invalid unicode"),
        (b'{"event":"session.created","data":' + b"[" * 5_000, "not JSON"),
        (b" " * 300_000, "300000 bytes, more than the 262144"),
    ],
)
def test_a_refusal_says_what_and_where(raw: bytes, words: str) -> None:
    with pytest.raises(InvalidMessage, match=re.escape(words)):
        parse(raw, now=NOW)


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_refused(raw: bytes) -> None:
    with pytest.raises(InvalidMessage):
        parse(raw, now=NOW)


def test_identity_is_the_event_id_else_the_message_s_else_the_bytes() -> None:
    assert parse(event(event_id="mine"), now=NOW, fallback_id="theirs").event_id == "mine"
    assert parse(event(), now=NOW, fallback_id="theirs").event_id == "theirs"
    assert parse(event(), now=NOW).event_id == parse(event(), now=NOW).event_id
    without = event(timestamp=None)
    assert parse(without, now=NOW).event_id != parse(without, now=NOW).event_id


def test_a_timestamp_is_written_as_the_guide_does() -> None:
    assert parse(event(timestamp="2025-01-15T12:30:00+02:00"), now=NOW).timestamp == "2025-01-15T10:30:00.000Z"
    assert parse(event(timestamp=None), now=NOW).timestamp == "2026-01-02T03:04:05.678Z"


def test_what_we_publish_is_read_back_as_the_same_event() -> None:
    accepted = parse(event(event_id='q"uote'), now=NOW)
    assert parse(accepted.to_json(), now=NOW) == accepted


def test_an_array_is_cut_into_the_bytes_it_stood_as() -> None:
    assert split(b'[ {"a": 1} ,2]') == [b'{"a": 1}', b"2"]
    for bad, words in (
        (b"[]", "0 events"),
        (b"[" + b"{}," * 1_000 + b"{}]", "1001 events"),
        (b"[1, {}]", "first element"),
        (b"[{", "not a JSON array"),
    ):
        with pytest.raises(InvalidMessage, match=words):
            split(bad)
