"""What the JSON schemas of requests say by patterns is what the validators do."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.contracts.filter import Filter
from shared.contracts.header import Headers
from shared.contracts.listing import Moment
from shared.contracts.url import Url
from shared.contracts.webhook_requests import WebhookCreate, WebhookPatch
from shared.contracts.whole import Whole

OURS = ["host", "x-allure-signature", "webhook-id", "proxy-x", "sec-x", "te", "user-agent"]
URLS = st.builds(
    "{}://{}{}{}{}".format,
    st.sampled_from(["https", "http", "HttpS", "ftp"]),
    st.sampled_from(["", "user@", "a:b@", "@"]),
    st.sampled_from(["a", "A.b_c-1.", "a..b", "1.2.3.4", "[::1]", "[1:2:3:4:5:6:7:8]", "[1::2::3]", "[x]", "é.io", ""])
    | st.text(alphabet="a.-:[]%é", max_size=8),
    st.sampled_from(["", ":1", ":65535", ":65536", ":0", ":00443", ":", ":x"]),
    st.sampled_from(["", "/", "?a=b", "#c", "/a b", "/\x7f", "/é\u2028", "x"]) | st.text(max_size=3),
)


def valid(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_json(json.dumps(value))
    except ValidationError:
        return False
    return True


@given(URLS)
def test_a_url_is_valid_exactly_when_its_pattern_matches(url: str) -> None:
    pattern = TypeAdapter(Url).json_schema()["pattern"]
    assert valid(Url, url) is bool(re.fullmatch(pattern.removesuffix("$"), url)), url


@given(st.sampled_from([*OURS, *(name + "z" for name in OURS), "x-own"]), st.randoms(use_true_random=False))
def test_a_header_s_name_is_valid_exactly_when_its_schema_says_so(name: str, random: Any) -> None:
    name = "".join(random.choice([letter, letter.upper()]) for letter in name)
    names = TypeAdapter(Headers).json_schema()["propertyNames"]
    said = bool(re.search(names["pattern"], name)) and not re.search(names["not"]["pattern"], name)
    assert valid(Headers, {name: "x"}) is said


@pytest.mark.parametrize(
    "tree",
    [
        {"field": "a", "in": None},
        {"field": "a", "gt": None},
        {"field": "a", "exists": "true"},
        {"field": "a", "eq": 2**63},
        {"field": "a", "in": [-1e19]},
        {"not": {"not": {"any": [{"all": [[None, None]]}]}}},
        {"any": ["all"]},
        [],
    ],
)
def test_a_filter_that_could_not_be_stored_or_compared_is_refused(tree: object) -> None:
    assert not valid(Filter, tree)


def test_null_and_whole_numbers_are_compared_with() -> None:
    assert valid(Filter, {"field": "a", "eq": None})
    assert valid(Filter, {"field": "a", "in": [None, 2**63 - 1, 1.5, True, "x"]})


@pytest.mark.parametrize("body", [{"url": None}, {"paused": None}, {"is_active": "yes"}, {"paused": 1}])
def test_a_patch_takes_no_null_and_nothing_else_for_what_is_always_there(body: object) -> None:
    assert not valid(WebhookPatch, body)


def test_types_are_named_in_one_way() -> None:
    url = {"url": "https://your-app.com"}
    assert valid(WebhookCreate, {**url, "event_type": None, "event_types": ["*"]})
    assert not valid(WebhookCreate, {**url, "event_type": "*", "event_types": ["*"]})
    assert not valid(WebhookCreate, url)


@pytest.mark.parametrize("given", [1736937000, 1736937000.5, "1736937000", "0.5", "", True])
def test_a_number_is_no_moment(given: object) -> None:
    assert not valid(Moment, given)


@pytest.mark.parametrize(("given", "is_one"), [(3, True), (3.0, True), (3.5, False), ("3", False), (True, False)])
def test_a_whole_number_may_have_a_point_but_is_no_text(given: object, is_one: bool) -> None:
    assert valid(Whole, given) is is_one
