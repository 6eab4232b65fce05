"""Admission and the gate: limits hold, nobody is forgotten, slow endpoints are not waited for."""

import asyncio
import base64
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.delivery.admission import Admission, Verdict
from services.delivery.gate import Gate
from shared.errors import DeliveryFault, StartupError
from shared.logs import redact
from shared.store.secrets import SecretBox


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["start", "slow", "finish"])), max_size=200))
def test_admission_never_exceeds_an_endpoint_s_cap(steps: list[tuple[str, str]]) -> None:
    admission = Admission(total=4, per_endpoint=3)
    fast: Counter[str] = Counter()
    slow: Counter[str] = Counter()
    for endpoint, step in steps:
        if step == "start" and admission.ask(endpoint) is Verdict.GO:
            admission.started(endpoint)
            fast[endpoint] += 1
        elif step == "slow" and fast[endpoint]:
            admission.slowed(endpoint)
            fast[endpoint] -= 1
            slow[endpoint] += 1
        elif step == "finish" and (fast[endpoint] or slow[endpoint]):
            was_slow = not fast[endpoint]
            admission.finished(endpoint, slow=was_slow)
            (slow if was_slow else fast)[endpoint] -= 1
        assert fast[endpoint] + slow[endpoint] <= 3
        if slow[endpoint] and (fast[endpoint] + slow[endpoint] == 3 or slow.total() >= 2):
            assert admission.ask(endpoint) is Verdict.DEFER


async def test_everyone_gets_in_and_never_more_than_the_limits() -> None:
    gate = Gate(total=5, per_endpoint=2)
    inside: Counter[str] = Counter()

    async def visit(endpoint: str) -> None:
        assert await gate.enter(endpoint)
        inside[endpoint] += 1
        assert inside[endpoint] <= 2
        assert inside.total() <= 5
        await asyncio.sleep(0)
        inside[endpoint] -= 1
        gate.leave(endpoint, slow=False)

    async with asyncio.timeout(10):
        await asyncio.gather(*(visit(endpoint) for endpoint in "aabbccddee" * 20))
    assert inside.total() == 0


async def test_a_cancelled_waiter_passes_its_turn_on() -> None:
    gate = Gate(total=1, per_endpoint=1)
    assert await gate.enter("a")
    waiters = [asyncio.create_task(gate.enter(name)) for name in "bc"]
    await asyncio.sleep(0)
    gate.leave("a", slow=False)
    waiters[0].cancel()
    async with asyncio.timeout(5):
        assert await waiters[1]


async def test_who_waits_for_an_endpoint_that_turns_slow_is_sent_away() -> None:
    gate = Gate(total=10, per_endpoint=1)
    assert await gate.enter("a")
    waiting = asyncio.create_task(gate.enter("a"))
    await asyncio.sleep(0)
    gate.slowed("a")
    async with asyncio.timeout(5):
        assert not await waiting
    assert await gate.enter("b")


def _key(name: str, byte: bytes) -> str:
    return f"{name}:{base64.b64encode(byte * 32).decode()}"


def test_a_secret_box_opens_with_any_of_its_keys_for_its_owner_only() -> None:
    old, both = SecretBox(_key("k1", b"1")), SecretBox(f"{_key('k2', b'2')},{_key('k1', b'1')}")
    stored = old.close("the secret", "webhook_1")
    assert b"the secret" not in stored["box"]
    assert both.open(stored, "webhook_1") == "the secret"
    assert both.close("x", "webhook_1")["key"] == "k2"
    for owner, box in (
        ("webhook_2", both),
        ("webhook_1", SecretBox(_key("k1", b"3"))),
        ("webhook_1", SecretBox(_key("k9", b"1"))),
    ):
        with pytest.raises(DeliveryFault):
            box.open(stored, owner)


@pytest.mark.parametrize("keys", ["", "k1", "k1:short", ":" + base64.b64encode(b"1" * 32).decode()])
def test_bad_keys_stop_the_process_and_say_how_to_make_one(keys: str) -> None:
    with pytest.raises(StartupError, match=r"DISPATCHER_SECRET_KEYS.*make one with"):
        SecretBox(keys)


def test_logs_lose_what_is_named_like_a_secret() -> None:
    logged = redact(None, "info", {"event": "x", "Secret_key": "s", "X-Allure-Signature": "s", "api_key": "s", "n": 1})
    assert logged == {
        "event": "x",
        "Secret_key": "[redacted]",
        "X-Allure-Signature": "[redacted]",
        "api_key": "[redacted]",
        "n": 1,
    }
