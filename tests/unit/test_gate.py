"""The gate: limits hold, nobody is forgotten, slow and failing endpoints are not waited for."""

import asyncio
from collections import Counter
from datetime import timedelta

from services.delivery.breaker import BreakerPolicy
from services.delivery.gate import Gate

NEVER = BreakerPolicy(10**9, timedelta(seconds=1))


def gate_of(total: int, per_endpoint: int, breaker: BreakerPolicy = NEVER) -> Gate:
    return Gate(total=total, per_endpoint=per_endpoint, breaker=breaker, clock=lambda: 0.0)


async def test_everyone_gets_in_and_never_more_than_the_limits() -> None:
    gate = gate_of(5, 2)
    inside: Counter[str] = Counter()

    async def visit(endpoint: str) -> None:
        held = await gate.enter(endpoint)
        assert held
        inside[endpoint] += 1
        assert inside[endpoint] <= 2
        assert inside.total() <= 5
        await asyncio.sleep(0)
        inside[endpoint] -= 1
        gate.leave(held, ok=True)

    async with asyncio.timeout(10):
        await asyncio.gather(*(visit(endpoint) for endpoint in "aabbccddee" * 20))
    assert inside.total() == 0


async def test_a_cancelled_waiter_passes_its_turn_on() -> None:
    gate = gate_of(1, 1)
    held = await gate.enter("a")
    assert held
    waiters = [asyncio.create_task(gate.enter(name)) for name in "bc"]
    await asyncio.sleep(0)
    gate.leave(held, ok=None)
    waiters[0].cancel()
    async with asyncio.timeout(5):
        assert await waiters[1]


async def test_who_waits_for_an_endpoint_that_turns_slow_is_sent_away() -> None:
    gate = gate_of(10, 1)
    held = await gate.enter("a")
    assert held
    waiting = asyncio.create_task(gate.enter("a"))
    await asyncio.sleep(0)
    gate.slowed(held)
    async with asyncio.timeout(5):
        assert not await waiting
    assert await gate.enter("b")


async def test_a_slow_request_gives_its_place_to_others() -> None:
    gate = gate_of(1, 1)
    held = await gate.enter("a")
    assert held
    waiting = asyncio.create_task(gate.enter("b"))
    await asyncio.sleep(0)
    gate.slowed(held)
    async with asyncio.timeout(5):
        assert await waiting
    gate.leave(held, ok=True)
    other = asyncio.create_task(gate.enter("c"))
    await asyncio.sleep(0)
    assert not other.done(), "the slow request's place was given back once already"
    other.cancel()


async def test_who_waits_for_an_endpoint_whose_breaker_opens_is_sent_away() -> None:
    gate = gate_of(10, 1, BreakerPolicy(1, timedelta(seconds=1)))
    held = await gate.enter("a")
    assert held
    waiting = [asyncio.create_task(gate.enter("a")) for _ in range(3)]
    await asyncio.sleep(0)
    gate.leave(held, ok=False)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*waiting) == [None, None, None]
    assert [name for name, _ in gate.open_breakers()] == ["a"]
