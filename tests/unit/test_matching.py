"""Which webhooks an event goes to: types with wildcards, payload filters, and their validation."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.contracts.webhook import Webhook
from shared.contracts.webhook_requests import WebhookCreate, WebhookPatch
from shared.filters import compile_filter, why_not
from shared.matching import Subscriptions, type_matches
from shared.matching import why_not as why_not_to

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def webhook(name: str, *event_types: str, **changes: Any) -> Webhook:
    fields: dict[str, Any] = {
        "is_active": True,
        "paused": False,
        "disabled_reason": None,
        "description": None,
        "filter": None,
        "max_attempts": None,
        **changes,
    }
    return Webhook(
        id=name,
        tenant_id="t",
        url="https://example.com",
        event_types=event_types,
        secrets=("0123456789abcdef",),
        version=1,
        created_at=NOW,
        updated_at=NOW,
        **fields,
    )


def matched(subscriptions: Subscriptions, event_type: str, data: object = None) -> set[str]:
    return {found.id for found in subscriptions.match(event_type, json.dumps(data or {}).encode())}


def test_patterns() -> None:
    assert type_matches("*", "session.created")
    assert type_matches("session.*", "session.created")
    assert not type_matches("session.*", "sessions.created")
    assert not type_matches("session.created", "session.completed")


def test_active_webhooks_of_the_type_match_and_paused_ones_too() -> None:
    subscriptions = Subscriptions(
        [
            webhook("exact", "session.created"),
            webhook("wild", "session.*", "package.processing.failed"),
            webhook("all", "*"),
            webhook("other", "session.completed"),
            webhook("inactive", "*", is_active=False),
            webhook("paused", "*", paused=True),
        ]
    )
    assert matched(subscriptions, "session.created") == {"exact", "wild", "all", "paused"}
    assert matched(subscriptions, "package.processing.failed") == {"wild", "all", "paused"}


scalars = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from(["", "a", "b"]), st.just(1.0))
datas = st.dictionaries(
    st.sampled_from("ab"), st.one_of(scalars, st.dictionaries(st.sampled_from("ab"), scalars), st.lists(scalars))
)
conditions = st.sampled_from(["a", "b", "a.b"]).flatmap(
    lambda field: st.one_of(
        st.fixed_dictionaries({"field": st.just(field), "eq": scalars}),
        st.fixed_dictionaries({"field": st.just(field), "in": st.lists(scalars, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"field": st.just(field), "exists": st.booleans()}),
        st.fixed_dictionaries({"field": st.just(field), "gte": st.integers(-2, 2)}),
    )
)
filters = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=5,
)


@given(filters, datas)
def test_the_index_and_the_predicate_agree(tree: dict[str, Any], data: dict[str, Any]) -> None:
    subscriptions = Subscriptions([webhook("w", "*", filter=tree)])
    assert matched(subscriptions, "session.created", data) == ({"w"} if compile_filter(tree)(data) else set())


@given(filters, datas)
def test_there_is_a_reason_exactly_when_the_filter_does_not_match(tree: dict[str, Any], data: dict[str, Any]) -> None:
    assert bool(list(why_not(tree, data))) is not compile_filter(tree)(data)


@given(st.booleans(), st.sets(st.sampled_from(["*", "session.*", "package.*"]), min_size=1), filters, datas)
def test_an_event_goes_to_a_webhook_exactly_when_nothing_speaks_against_it(
    active: bool, event_types: set[str], tree: dict[str, Any], data: dict[str, Any]
) -> None:
    for chosen in (None, tree):
        one = webhook("w", *event_types, filter=chosen, is_active=active, disabled_reason=None if active else "gone")
        subscriptions = Subscriptions([one])
        for _ in range(2):
            assert matched(subscriptions, "session.created", data) == (
                set() if why_not_to(one, "session.created", data) else {"w"}
            )


def test_every_reason_is_told() -> None:
    one = webhook("w", "package.*", filter={"field": "a", "eq": 1}, is_active=False, disabled_reason="gone")
    inactive, other_type, filtered = why_not_to(one, "session.created", {})
    assert inactive == "the webhook is inactive: gone"
    assert other_type == "event_types: session.created is not among package.*"
    assert filtered == next(iter(why_not({"field": "a", "eq": 1}, {})))


@given(filters)
def test_a_filter_is_stored_as_it_was_given(tree: dict[str, Any]) -> None:
    made = WebhookCreate.model_validate_json(json.dumps({"url": "https://x.io", "event_type": "*", "filter": tree}))
    assert made.filter is not None
    assert made.filter.model_dump(by_alias=True, exclude_unset=True) == tree


@pytest.mark.parametrize(
    ("tree", "data", "matches"),
    [
        ({"field": "score.scaled", "gte": 0.8}, {"score": {"scaled": 0.85}}, True),
        ({"field": "score.scaled", "gte": 0.8}, {"score": {"scaled": "0.9"}}, False),
        ({"field": "score.scaled", "lt": 0.8}, {}, False),
        ({"field": "flag", "eq": 1}, {"flag": True}, False),
        ({"field": "flag", "eq": True}, {"flag": True}, True),
        ({"field": "x", "in": ["a", None]}, {"x": None}, True),
        ({"field": "x", "in": ["a", None]}, {}, False),
        ({"field": "x", "exists": False}, {}, True),
        ({"not": {"field": "x", "eq": "a"}}, {"x": ["a"]}, True),
    ],
)
def test_conditions(tree: dict[str, Any], data: dict[str, Any], matches: bool) -> None:
    assert compile_filter(tree)(data) is matches


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"filter": {"field": "a"}}, "exactly one of the comparisons"),
        ({"filter": {"field": "a", "eq": 1, "gt": 2}}, "exactly one of the comparisons"),
        ({"filter": {"all": []}}, "at least 1 item"),
        ({"filter": {"field": "a", "like": "x"}}, "Extra inputs"),
        ({"filter": json.loads('{"not":' * 20 + "1" + "}" * 20)}, "nested deeper than 8"),
        ({"event_type": "session.paused"}, "unknown event type 'session.paused'; known: package.processing.completed"),
        ({"event_types": ["*"]}, "one of event_type and event_types"),
        ({"url": "ftp://x.io"}, "absolute URL"),
        ({"url": "https://user:pw@x.io"}, "credentials"),
        ({"url": "https://x.io/a b"}, "white space"),
        ({"url": "https://x.io:99999"}, "not a URL"),
        ({"secret": "short"}, "at least 16"),
        ({"max_attempts": 0}, "greater than or equal to 1"),
        ({"surprise": 1}, "Extra inputs"),
    ],
)
def test_a_webhook_is_refused_with_words_that_help(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        WebhookCreate.model_validate_json(json.dumps({"url": "https://x.io", "event_type": "*", **fields}))


def test_a_patch_may_clear_some_fields_and_not_others() -> None:
    assert WebhookPatch.model_validate_json('{"filter": null}').model_fields_set == {"filter"}
    with pytest.raises(ValidationError, match="may be left out but not null"):
        WebhookPatch.model_validate_json('{"url": null}')


DATA = {"n": 5, "text": "x", "flag": True, "deep": {"one": 1}}


@pytest.mark.parametrize(
    ("tree", "passes"),
    [
        ({"field": "n", "eq": 5}, True),
        ({"field": "flag", "eq": 1}, False),
        ({"field": "deep.one", "in": [1, 2]}, True),
        ({"field": "text.one", "in": ["x"]}, False),
        ({"field": "deep", "exists": True}, True),
        ({"field": "n", "exists": False}, False),
        ({"field": "n", "gt": 4}, True),
        ({"field": "n", "gte": 6}, False),
        ({"field": "flag", "lt": 4}, False),
        ({"field": "text", "lte": 4}, False),
        ({"all": [{"field": "n", "eq": 5}, {"field": "n", "lt": 4}]}, False),
        ({"any": [{"field": "n", "eq": 4}, {"field": "n", "eq": 5}]}, True),
        ({"any": [{"field": "n", "eq": 4}, {"field": "text", "eq": "y"}]}, False),
        ({"not": {"field": "n", "eq": 5}}, False),
        ({"not": {"field": "n", "eq": 4}}, True),
    ],
)
def test_the_table_of_filters(tree: dict[str, Any], passes: bool) -> None:
    assert compile_filter(tree)(DATA) is passes
    assert bool(list(why_not(tree, DATA))) is not passes
    one = webhook("one", "session.created", filter=tree)
    assert matched(Subscriptions([one]), "session.created", DATA) == ({"one"} if passes else set())
    assert bool(why_not_to(one, "session.created", DATA)) is not passes
