"""What operators' commands print."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.showing import harmless, json_line
from services.cli.tally import Tally, counted
from shared.readable import body_fields, plain, printable, readable

texts = st.text(st.characters())
header_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(codec="utf-8"))
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
    | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=10,
)


@given(texts)
def test_nothing_that_drives_a_terminal_is_printed(text: str) -> None:
    assert printable(text).isprintable()


@given(texts)
def test_what_is_harmless_is_printed_as_it_is(text: str) -> None:
    harmless = "".join(char for char in text if char.isprintable())
    assert printable(harmless) == harmless


def test_escapes_name_the_character() -> None:
    assert printable("a\x1b[31m\x9b\u202e\ud800\n") == r"a\x1b[31m\x9b\u202e\ud800\n"


@given(st.binary())
def test_a_body_of_any_bytes_is_readable(body: bytes) -> None:
    assert readable(body).replace("\n", "").replace("\t", "").isprintable() or readable(body) in ("\n", "\t", "")


def test_json_is_indented_and_its_numbers_stay_as_they_were_written() -> None:
    assert readable(b'{"a":1.10,"b":18446744073709551616}') == '{\n  "a": 1.10,\n  "b": 18446744073709551616\n}'


def test_bytes_that_are_no_text_are_shown_as_escapes() -> None:
    assert readable(b"\xff\x1b]0;title\x07") == r"\xff\x1b]0;title\x07"


@given(st.text(st.characters(codec="utf-8")))
def test_json_drives_no_terminal_and_says_the_same(text: str) -> None:
    said = orjson.dumps({text: [text]}, option=orjson.OPT_INDENT_2).decode()
    assert harmless(said).replace("\n", "").isprintable()
    assert orjson.loads(harmless(said)) == {text: [text]}


@given(header_values)
def test_whatever_a_header_holds_becomes_json(value: Any) -> None:
    assert orjson.loads(json_line(plain(value))) is not ...


def test_moments_and_bytes_in_headers_keep_their_meaning() -> None:
    assert plain({"at": datetime(2025, 1, 15, tzinfo=UTC), "raw": [b"\xff", b"a"]}) == {
        "at": "2025-01-15T00:00:00.000Z",
        "raw": [{"body_base64": "/w=="}, {"body": "a"}],
    }


@given(st.binary())
def test_a_body_survives_json(body: bytes) -> None:
    fields = orjson.loads(orjson.dumps(body_fields(body)))
    if "body" in fields:
        assert fields["body"].encode() == body
    else:
        assert fields.keys() == {"body_base64"}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, 0),
        ({"left_alone": {"gone": 1}}, 1),
        ({"left_alone": {"gone": 1}, "dry_run": True}, 0),
        ({"failure": "RabbitMQ: away"}, 1),
        ({"failure": "RabbitMQ: away", "dry_run": True}, 1),
        ({"stopped": True, "failure": "RabbitMQ: away"}, 130),
    ],
)
def test_the_exit_code_tells_whether_all_is_done(fields: dict[str, Any], code: int) -> None:
    assert Tally(**{"noun": "thing", "verb": "moved", "before": 2, "dry_run": False, **fields}).exit_code == code


def test_one_is_not_several() -> None:
    assert [counted(n, "dead letter") for n in (0, 1, 2)] == ["0 dead letters", "1 dead letter", "2 dead letters"]
    assert [counted(n, "delivery") for n in (1, 2)] == ["1 delivery", "2 deliveries"]
    assert [counted(n, "API key") for n in (1, 2)] == ["1 API key", "2 API keys"]
