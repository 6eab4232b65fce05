"""Messages of version 1 are read today, and today's are read by version 1; so a rollout parks and loses none."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.event import AcceptedEvent, parse, split
from shared.contracts.event_types import EVENT_TYPES
from shared.contracts.message import DeliveryMessage, Marker, QueuedDelivery, encode
from tests.cluster import TENANT
from tests.frozen import DOCUMENTS, MESSAGES, complaints, document, message

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WRITTEN: dict[str, Any] = {name: json.loads(message(name)) for name in MESSAGES if name != "event-array-message"}
WRITTEN |= {f"{name}-document": document(name) for name in DOCUMENTS}

texts = st.text(max_size=20)
moments = st.floats(0, 4e9)


@pytest.mark.parametrize("kind", [*MESSAGES, *(f"{name}-document" for name in DOCUMENTS)])
def test_version_1_reads_what_it_wrote(kind: str) -> None:
    assert complaints(kind, WRITTEN.get(kind) or message(kind)) == []


@pytest.mark.parametrize("kind", WRITTEN)
def test_version_1_complains_of_another_version_and_of_a_field_that_is_gone(kind: str) -> None:
    whole = WRITTEN[kind]
    if "v" in whole:
        assert complaints(kind, {**whole, "v": 2})
    needed = {name for name in whole if complaints(kind, {key: whole[key] for key in whole if key != name})}
    assert needed >= {"event-message": {"event", "tenant_id", "data"}}.get(kind, {"v"})
    for name in needed:
        assert complaints(kind, {**whole, name: [{"of": "another kind"}]}), name


@pytest.mark.parametrize("kind", WRITTEN)
def test_version_1_ignores_a_new_field_but_in_an_event_message(kind: str) -> None:
    assert bool(complaints(kind, {**WRITTEN[kind], "new": 1})) == (kind == "event-message")


def test_an_event_message_of_version_1_is_read() -> None:
    data = b'{"session_id":"s","package_id":"p","user_id":"u", "n":18446744073709551616,"x":1.10}'
    first = AcceptedEvent(TENANT, "event_1", "session.created", "2025-01-15T10:30:00.000Z", data)
    assert parse(message("event-message"), now=NOW) == first
    second = msgspec.structs.replace(first, event_id="event_2")
    assert [parse(one, now=NOW) for one in split(message("event-array-message"))] == [first, second]


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_version_1_reads_an_event_message_of_today(name: str) -> None:
    example = {"event": name, "tenant_id": TENANT, "data": EVENT_TYPES[name].example}
    written = parse(json.dumps(example).encode(), now=NOW).to_json()
    assert complaints("event-message", written) == []
    assert complaints("event-array-message", b"[" + written + b"," + written + b"]") == []


fields = {one.name: st.from_type(one.type) for one in msgspec.structs.fields(QueuedDelivery)}
fields |= {"created_at": moments, "body": st.just(msgspec.Raw(b"{}"))}
deliveries = st.builds(QueuedDelivery, **fields)


@given(st.lists(deliveries, max_size=3), moments)
def test_version_1_reads_a_delivery_message_of_today(batch: list[QueuedDelivery], handed_at: float) -> None:
    assert complaints("delivery-message", encode(DeliveryMessage(handed_at=handed_at, deliveries=batch))) == []


@given(texts, moments)
def test_version_1_reads_a_marker_of_today(marker: str, sent_at: float) -> None:
    written = encode(Marker(marker=marker, sent_at=sent_at))
    assert complaints("marker", written) == []
    assert written.startswith(b'{"v":1,"marker"'), "by which it tells one from deliveries"
