"""Many under one time limit: who is over it ends, the others and whoever is cancelled otherwise do not notice."""

import asyncio

import pytest

from services.delivery.limit import TimeLimit


async def test_each_has_the_whole_limit_for_itself() -> None:
    limit, loop = TimeLimit(0.1), asyncio.get_running_loop()

    async def ends_after() -> float:
        began = loop.time()
        with pytest.raises(TimeoutError):
            await limit.keep(asyncio.sleep(60))
        return loop.time() - began

    first = asyncio.create_task(ends_after())
    await asyncio.sleep(0.06)
    second = asyncio.create_task(ends_after())
    assert min(await first, await second) >= 0.099  # a tick of the loop's clock less


async def test_what_ends_in_time_answers_or_raises_as_it_does_alone() -> None:
    async def answers() -> str:
        return "answer"

    async def raises() -> None:
        raise ValueError("its own")

    limit = TimeLimit(60)
    assert await limit.keep(answers()) == "answer"
    with pytest.raises(ValueError, match="its own"):
        await limit.keep(raises())
    limit.stop()


async def test_one_cancelled_by_somebody_else_is_cancelled_and_not_late() -> None:
    limit = TimeLimit(60)
    task = asyncio.create_task(limit.keep(asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    limit.stop()


async def test_a_limit_that_was_idle_works_again() -> None:
    limit = TimeLimit(0.02)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await limit.keep(asyncio.sleep(60))
        await asyncio.sleep(0.03)
