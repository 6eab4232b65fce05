"""What is to be published, taken apart."""

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.cli.publication import Given, Unusable, batches, taken_apart
from shared.contracts.event import MAX_BATCH_BYTES, MAX_EVENT_BYTES, split
from shared.errors import StartupError

objects = st.lists(
    st.dictionaries(st.text(max_size=5), st.integers(-(2**63), 2**63 - 1), max_size=3), min_size=1, max_size=20
)


@given(objects)
def test_an_array_and_lines_are_the_same_events(events: list[dict[str, int]]) -> None:
    array = taken_apart(orjson.dumps(events))
    lines = taken_apart(b"\n".join(map(orjson.dumps, events)) + b"\n\n")
    assert [one.raw for one in array if isinstance(one, Given)] == [orjson.dumps(event) for event in events]
    assert [one[1] for one in lines] == [one[1] for one in array]


def test_one_event_may_be_written_over_several_lines() -> None:
    assert taken_apart(b'{\n "a": 1.10\n}\n') == [Given("event 1", b'{\n "a": 1.10\n}')]


def test_a_line_that_is_none_is_named_and_the_others_go_on() -> None:
    found = taken_apart(b'{"a":1}\n{"b":\n\n3\r\n{"c":3}\xff\n{"d":4}\r\n')
    assert [(type(one), one.place) for one in found] == [
        (Given, "line 1"),
        (Unusable, "line 2"),
        (Unusable, "line 4"),
        (Unusable, "line 5"),
        (Given, "line 6"),
    ]
    assert [one.error.split(":")[0] for one in found if isinstance(one, Unusable)] == [
        "not JSON",
        "not a JSON object",
        "not JSON",
    ]


def test_an_event_that_is_too_large_does_not_take_its_batch_along() -> None:
    large = b'{"a":"' + b"x" * MAX_EVENT_BYTES + b'"}'
    [first, second] = taken_apart(large + b'\n{"b":2}')
    assert isinstance(first, Unusable)
    assert second == Given("line 2", b'{"b":2}')


@pytest.mark.parametrize("raw", [b"", b" \n", b"[]", b"[1,", b"[{},\n{}"])
def test_nothing_to_publish_is_an_unusable_argument(raw: bytes) -> None:
    with pytest.raises(StartupError):
        taken_apart(raw)


@example([MAX_EVENT_BYTES - 10] * 25, 25)
@settings(max_examples=25)  # megabytes each
@given(st.lists(st.integers(1, MAX_EVENT_BYTES - 10), min_size=1, max_size=25), st.integers(1, 25))
def test_batches_are_such_as_are_accepted_and_lose_nothing(sizes: list[int], most: int) -> None:
    events = [Given("", b'{"a":"' + b"x" * size + b'"}') for size in sizes]
    made = list(batches(events, most))
    assert [event for batch in made for event in batch] == events
    for batch in made:
        body = b"[" + b",".join(event.raw for event in batch) + b"]"
        assert len(body) <= MAX_BATCH_BYTES
        assert len(split(body)) == len(batch) <= most
