"""Delivery messages: frozen examples are read, and what is written today has their shape."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.message import DeliveryMessage, Marker, QueuedDelivery, batches, decode, encode
from shared.errors import InvalidMessage
from tests import frozen

FROZEN, FROZEN_MARKER = frozen.message("delivery-message"), frozen.message("marker")
TEMPLATE = QueuedDelivery(
    id="", tenant_id="t", webhook_id="w", event_id="e", event="x", created_at=0, body=msgspec.Raw()
)


def test_the_frozen_message_is_read_and_written_the_same() -> None:
    message = decode(FROZEN)
    assert isinstance(message, DeliveryMessage)
    assert encode(message) == FROZEN
    assert bytes(message.deliveries[0].body).startswith(b'{"event":"session.created"')


def test_a_field_of_a_later_version_is_left_alone() -> None:
    later = FROZEN.replace(b'"trace":', b'"trace_of_tomorrow":{"a":[1]},"trace":').replace(b'{"v":1', b'{"w":2,"v":1')
    assert later != FROZEN
    assert decode(later) == decode(FROZEN)


def test_the_frozen_marker_is_read_and_written_the_same() -> None:
    marker = decode(FROZEN_MARKER)
    assert isinstance(marker, Marker)
    assert encode(marker) == FROZEN_MARKER


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff", FROZEN[:-5], FROZEN.replace(b'"v":1', b'"v":2')])
def test_what_cannot_be_read_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode(raw)


@given(st.lists(st.integers(0, 3_000), max_size=60), st.integers(1, 10), st.integers(1_000, 5_000))
def test_batches_keep_order_and_limits(sizes: list[int], most: int, most_bytes: int) -> None:
    deliveries = [
        msgspec.structs.replace(TEMPLATE, id=str(n), body=msgspec.Raw(b"0" * size)) for n, size in enumerate(sizes)
    ]
    groups = list(batches(deliveries, most=most, most_bytes=most_bytes))
    assert [delivery for group in groups for delivery in group] == deliveries
    for group in groups:
        assert 1 <= len(group) <= most
        assert len(group) == 1 or sum(len(memoryview(d.body)) + 500 for d in group) <= most_bytes
