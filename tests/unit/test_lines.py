"""Lines that fan-out knows of: who stands in them, and what slots they get."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from services.fanout.lines import Line, Lines
from shared.contracts.health import News, StandingLine
from shared.contracts.message import QueuedDelivery
from shared.errors import StoreUnavailable

NOW = 1_000_000.0
SCOUTS_EVERY = 2.0
LOWEST = 0.25
LONGEST = 3600.0


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def found(until: float, answers: int = 0) -> StandingLine:
    return StandingLine(at(until), answers)


def to(webhook_id: str, number: int) -> QueuedDelivery:
    return QueuedDelivery(
        id=f"delivery_{number}",
        tenant_id="tenant",
        webhook_id=webhook_id,
        event_id=f"event_{number}",
        event="session.created",
        created_at=NOW,
        body=Raw(b"{}"),
    )


@given(st.lists(st.floats(0, 3), max_size=100), st.floats(-10, 1000))
def test_every_slot_is_behind_the_last_and_one_delivery_every_two_seconds_goes_to_a_worker(
    pauses: list[float], ahead: float
) -> None:
    line, now, before = Line.of(found(NOW + ahead), NOW), NOW, NOW + ahead
    scouts = []
    for pause in pauses:
        now += pause
        slot = line.slot(now, LONGEST)
        if slot is None:
            scouts.append(now)
        else:
            assert slot == pytest.approx(max(before, now) + 1 / LOWEST)
            before = slot
    assert not pauses or scouts[0] == NOW + pauses[0], "the first finds out at once"
    assert all(later - sooner >= SCOUTS_EVERY for sooner, later in pairwise(scouts))


@pytest.mark.parametrize("per_second", [0.0, 0.1, 2, 50])
def test_slots_come_to_be_a_little_closer_than_the_endpoint_answers(per_second: float) -> None:
    line = Line.of(found(NOW), NOW)
    for tenths in range(1000):
        line.seen(found(NOW, int(per_second * tenths / 10)), NOW + tenths / 10)
    line.slot(NOW + 100, LONGEST)
    first, second = line.slot(NOW + 100.1, LONGEST), line.slot(NOW + 100.1, LONGEST)
    assert first
    assert second
    assert second - first == pytest.approx(1 / max(LOWEST, 1.1 * per_second), rel=0.05)


def test_a_count_that_begins_anew_and_a_clock_that_stands_still_change_nothing() -> None:
    line = Line.of(found(NOW, 1_000), NOW)
    line.seen(found(NOW, 3), NOW + 1)
    line.seen(found(NOW, 3), NOW + 1)
    line.seen(found(NOW, 3), NOW - 60)
    assert line.pace == LOWEST


def test_workers_may_have_put_others_behind() -> None:
    line = Line.of(found(NOW + 10), NOW)
    line.slot(NOW, LONGEST)
    line.seen(found(NOW + 100), NOW)
    assert line.slot(NOW, LONGEST) == NOW + 104
    line.seen(found(NOW + 50), NOW)
    assert line.slot(NOW, LONGEST) == NOW + 108, "what was told last may be older than what is known here"


def test_nobody_stands_in_line_for_longer_than_a_delivery_lives() -> None:
    line = Line.of(found(NOW + LONGEST - 6), NOW)
    slots = [line.slot(now, LONGEST) for now in (NOW, NOW, NOW, NOW + 1, NOW + 1.5)]
    assert slots == [None, NOW + LONGEST - 2, NOW + LONGEST, NOW + LONGEST + 1, NOW + LONGEST + 1.5]


class Healths:
    """What the store knows, and is told."""

    def __init__(self) -> None:
        self.standing: dict[str, StandingLine] = {}
        self.told: dict[str, datetime | None] = {}
        self.is_away = False

    async def save(self, news: Any) -> None:
        self._is_there()
        self.told |= {one.webhook_id: one.deferred_until for one in news if isinstance(one, News)}

    async def lines(self) -> dict[str, StandingLine]:
        self._is_there()
        return self.standing

    def _is_there(self) -> None:
        if self.is_away:
            raise StoreUnavailable("away")


class Known:
    def __init__(self) -> None:
        self.healths = Healths()
        self.lines = Lines(healths=self.healths, clock=lambda: NOW, expire_after=timedelta(seconds=LONGEST))  # type: ignore[arg-type]

    async def look(self, **standing: StandingLine) -> None:
        self.healths.standing = standing
        await self.lines._look()
        await self.lines._tell()


async def test_only_deliveries_to_an_endpoint_with_a_line_stand_in_it() -> None:
    known = Known()
    deliveries = [to(webhook_id, number) for number, webhook_id in enumerate(["slow", "quick", "slow", "slow"])]
    assert known.lines.part(deliveries) == (deliveries, known.lines.part([])[1]), "nothing is known yet"
    await known.look(slow=found(NOW + 60))
    at_once, standing = known.lines.part(deliveries)
    assert [delivery.id for delivery in at_once] == ["delivery_0", "delivery_1"], "the first finds out"
    assert [delivery.id for delivery in standing.deliveries] == ["delivery_2", "delivery_3"]
    assert standing.slots == {"delivery_2": at(NOW + 64), "delivery_3": at(NOW + 68)}
    await known.look()
    assert known.lines.part(deliveries)[0] == deliveries, "the endpoint answers again"


async def test_how_far_a_line_reaches_is_told_also_when_it_ended_meanwhile_or_the_store_was_away() -> None:
    known = Known()
    await known.look(slow=found(NOW + 60))
    known.lines.part([to("slow", number) for number in range(3)])
    known.healths.is_away = True
    await known.look()
    assert known.healths.told == {}
    known.lines.part([to("slow", 3)])
    known.healths.is_away = False
    await known.look()
    known.lines.part([to("slow", 4)])
    assert known.healths.told == {"slow": at(NOW + 72)}
    await known.lines.start()
    await known.lines.stop(deadline=0)
    assert known.healths.told == {"slow": at(NOW + 72)}, "the fifth went to a worker"
