"""What pages say of stored bytes, of work on many, and how moments and ids are written in addresses."""

from collections import Counter
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.api.dashboard.addresses import event_address
from services.api.dashboard.bodies import shown_body
from services.api.dashboard.outcomes import outcome
from services.api.dashboard.words import size
from shared.counts import Counts


@given(st.binary(max_size=3_000) | st.text(max_size=3_000).map(lambda text: text.encode("utf-8", "replace")))
@example(b"[" * 100_000)
@example(b"\xff" * 10_000_000)
@example(b"x" * 10_000_000)
@example(b'{"n": 1.10}')
def test_any_bytes_are_shown_as_text_of_which_there_is_not_too_much(body: bytes) -> None:
    shown = shown_body(body)
    assert len(shown.text) <= 60_000
    assert shown.text.replace("\n", "").replace("\t", "").isprintable()
    assert shown.cut or len(body) < 300_000


def test_json_is_indented_and_its_numbers_stay_as_they_are() -> None:
    assert shown_body(b'{"n":1.10,"m":12345678901234567890123}').text == (
        '{\n  "n": 1.10,\n  "m": 12345678901234567890123\n}'
    )


def test_what_is_no_text_is_dumped() -> None:
    assert shown_body(b"\xff\x00<b>").text == f"000000  {'ff 00 3c 62 3e':<47}  ..<b>"


@given(st.text("\x21\x7e/?#%.&;=+", min_size=1, max_size=255) | st.sampled_from([".", "..", "...", "a/../b"]))
def test_an_address_names_the_event_and_nothing_else(event_id: str) -> None:
    parts = urlsplit(event_address(event_id, "acme"))
    if event_id in (".", ".."):
        assert (parts.path, parts.query) == ("/dashboard/events", f"event_id={event_id}&tenant_id=acme")
    else:
        assert parts.query == "tenant_id=acme"
        assert unquote(parts.path.removeprefix("/dashboard/events/")) == event_id
        assert "/" not in parts.path.removeprefix("/dashboard/events/")
    assert not parts.fragment


def test_what_was_done_fits_into_a_cookie() -> None:
    alone = Counter({f"came from {chr(0x4E00 + n) * 80!r}": n + 1 for n in range(100)})
    counts = Counts(before=9_999, dry_run=False, done=1, left=3, left_alone=alone, failure="x" * 5_000)
    text = outcome(counts, "sent again")
    assert text.startswith("Before: 9,999. Sent again: 1. Left: 3. Left alone: 100 (came from")
    assert len(text) <= 400


@pytest.mark.parametrize(("count", "words"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB")])
def test_sizes_are_told_in_their_unit(count: int, words: str) -> None:
    assert size(count) == words
