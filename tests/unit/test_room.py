"""Room for open messages: a lane behind another is small while both are wanted, and large while the other is empty."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.delivery.room import Room

PLACES, SMALL = 144, 36


async def is_free(room: Room) -> bool:
    """Whether it would let somebody in now."""
    waiting = asyncio.create_task(room.wait())
    await asyncio.sleep(0)
    free = waiting.done()
    waiting.cancel()
    return free


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.booleans()), max_size=100))
async def test_a_room_behind_another_has_what_that_one_leaves_and_its_own_places_in_any_case(
    steps: list[tuple[bool, int, bool]],
) -> None:
    fresh = Room(PLACES)
    bulk = Room(SMALL, behind=fresh)
    taken = {fresh: 0, bulk: 0}
    for in_bulk, places, leaves in steps:
        room = bulk if in_bulk else fresh
        change = -min(places, taken[room]) if leaves else places
        taken[room] += change
        room.occupy(change)
        assert await is_free(fresh) == (taken[fresh] < PLACES), "nobody behind it takes anything from it"
        assert await is_free(bulk) == (taken[bulk] < max(SMALL, PLACES - taken[fresh]))


@pytest.mark.parametrize("leaves", ["ahead", "behind"])
async def test_who_waits_gets_in_as_soon_as_somebody_leaves(leaves: str) -> None:
    fresh = Room(PLACES)
    bulk = Room(SMALL, behind=fresh)
    fresh.occupy(PLACES)
    bulk.occupy(SMALL)
    waiting = asyncio.create_task(bulk.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    (fresh if leaves == "ahead" else bulk).occupy(-PLACES if leaves == "ahead" else -1)
    async with asyncio.timeout(5):
        await waiting
