"""What operators do with dead letters of all tenants: list them, give them a new round, give them up."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from services.api.listing import next_cursor
from shared.contracts.dead_letters import DeadLetter, DeadLettersWanted, DeliveryId
from shared.contracts.listing import Listing, Position
from shared.counts import Counts
from shared.errors import DependencyUnavailable
from shared.store.dead_letter_acts import DeadLetterActs
from shared.store.dead_letters import DeadLetters
from shared.store.mongo import Document

COUNTED_AT_MOST = 100_000
AT_ONCE = 1_000
"""As many as one request does; who wants more goes on."""
_GROUP = 500


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class DeadLettersListing(DeadLettersWanted, Listing):
    """`GET /dashboard/dead-letters`, and what is done with those that it means."""

    ids: Annotated[tuple[DeliveryId, ...], BeforeValidator(_several)] = Field((), max_length=1)


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """`total`: how many match, up to COUNTED_AT_MOST."""

    letters: list[DeadLetter]
    total: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What was done with some, oldest first. `following`: behind which the rest begins."""

    counts: Counts
    following: str | None


_Act = Callable[[Sequence[Document], Counts], Awaitable[None]]


class DeadLetterService:
    """The stored documents are the truth; the copies on RabbitMQ are for other systems."""

    def __init__(self, *, letters: DeadLetters, acts: DeadLetterActs) -> None:
        self._letters = letters
        self._acts = acts

    async def page(self, wanted: DeadLettersListing) -> DeadLetterPage:
        found = await self._letters.page(wanted, wanted.limit + 1, wanted.behind)
        following = next_cursor([Position(one["created_at"], one["_id"]) for one in found], wanted.limit)
        total = await self._letters.count(wanted, COUNTED_AT_MOST)
        return DeadLetterPage([DeadLetter.of(one) for one in found[: wanted.limit]], total, following)

    async def retry(self, wanted: DeadLettersListing, *, dry_run: bool = False) -> Batch:
        """Those whose webhook is deleted or inactive, or whose event is gone, are left alone."""
        return await self._go_through(wanted, self._acts.retry, dry_run=dry_run)

    async def discard(self, wanted: DeadLettersListing, *, dry_run: bool = False) -> Batch:
        return await self._go_through(wanted, self._acts.discard, dry_run=dry_run)

    async def _go_through(self, wanted: DeadLettersListing, act: _Act, *, dry_run: bool) -> Batch:
        """From behind the cursor. An outage under way ends it: the counts say how far it came.

        What is counted before and after is the list in which somebody found those that are meant.
        """
        listed = wanted.model_copy(update={"ids": ()})
        counts = Counts(before=await self._letters.count(listed, COUNTED_AT_MOST), dry_run=dry_run)
        after, seen = wanted.behind, 0
        try:
            await self._acts.name_others(wanted.ids, counts)
            while seen < AT_ONCE and (group := await self._letters.oldest(wanted, after, _GROUP)):
                await act(group, counts)
                seen, after = seen + len(group), Position(group[-1]["created_at"], group[-1]["_id"])
            more = bool(seen and await self._letters.oldest(wanted, after, 1))
            counts.left = await self._letters.count(listed, COUNTED_AT_MOST)
        except DependencyUnavailable as error:
            counts.failure, more = str(error), True
        return Batch(counts, after.cursor() if after and more else None)
