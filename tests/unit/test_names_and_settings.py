"""Ids, times, and how a bad setting stops a process."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import wiring
from shared.errors import StartupError
from shared.ids import delivery_id, event_id_of_bytes, event_id_of_request, event_key, new_webhook_id, random_event_id
from shared.settings import ALL_SETTINGS, ApiSettings, DeliverySettings, LogSettings, RetrySettings, load
from shared.times import at, iso

names = st.text(st.characters(codec="ascii", min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
triples = st.tuples(names, names, names)


@given(triples, triples)
def test_delivery_ids_are_the_same_for_the_same_and_differ_for_all_else(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert delivery_id(*one) == delivery_id(*one)
    assert (delivery_id(*one) == delivery_id(*other)) == (one == other)


def test_where_one_name_ends_and_the_next_begins_matters() -> None:
    assert delivery_id("a", "bc", "d") != delivery_id("ab", "c", "d")
    assert event_id_of_request("k", "1", 12) != event_id_of_request("k", "11", 2)


tenants = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,9}\Z")


@given(tenants, names, tenants, names)
def test_two_tenants_events_never_share_a_key(tenant: str, event: str, other: str, another: str) -> None:
    assert (event_key(tenant, event) == event_key(other, another)) == ((tenant, event) == (other, another))


def test_ids_say_what_they_name_and_random_ones_differ() -> None:
    assert delivery_id("t", "e", "w").startswith("delivery_")
    assert len({new_webhook_id() for _ in range(100)} | {random_event_id() for _ in range(100)}) == 200
    assert event_id_of_bytes(b"a") == event_id_of_bytes(b"a") != event_id_of_bytes(b"b")


@given(st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)))
def test_a_moment_is_written_in_milliseconds_and_read_back(moment: datetime) -> None:
    text = iso(moment)
    assert len(text) == len("2025-01-15T10:30:00.000Z")
    assert timedelta(0) <= moment - datetime.fromisoformat(text) < timedelta(milliseconds=1)


def test_another_zone_is_written_as_utc() -> None:
    assert iso(datetime(2025, 1, 15, 12, 30, tzinfo=timezone(timedelta(hours=2)))) == "2025-01-15T10:30:00.000Z"
    assert iso(at(0)) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize("settings", ALL_SETTINGS)
def test_every_setting_has_a_default_that_is_valid(
    settings: type[LogSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in settings.model_fields:
        monkeypatch.delenv(f"DISPATCHER_{name.upper()}", raising=False)
    load(settings)


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (ApiSettings, "API_PORT", "eighty"),
        (ApiSettings, "API_PORT", "70000"),
        (DeliverySettings, "IN_FLIGHT", "0"),
        (RetrySettings, "RETRY_MAX_ATTEMPTS", "31"),
        (RetrySettings, "RETRY_BASE_SECONDS", "-1"),
        (LogSettings, "LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(
    settings: type[LogSettings], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"DISPATCHER_{name}", value)
    with pytest.raises(StartupError) as refused:
        load(settings)
    assert str(refused.value).startswith(f"DISPATCHER_{name}: ")
    assert "\n" not in str(refused.value)


def test_a_bad_egress_list_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_EGRESS_ALLOW", "127.0.0.0/99")
    with pytest.raises(StartupError, match=r"^DISPATCHER_EGRESS_ALLOW: [^\n]*cidr\[:port\] is needed$"):
        wiring.egress()


@pytest.mark.parametrize("name", ["ADMIN_KEY", "AMQP_URL", "EGRESS_PROXY", "MONGODB_URL", "SECRET_KEYS"])
def test_secret_settings_do_not_print_their_values(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DISPATCHER_{name}", "do-not-print-me")
    assert not any("do-not-print-me" in repr(load(settings)) for settings in ALL_SETTINGS)
