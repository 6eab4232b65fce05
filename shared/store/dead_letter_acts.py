"""What is done with a group of dead letters: each gets a new round, or is given up."""

from collections.abc import Sequence

from shared.counts import Counts
from shared.store.by_hand import ByHand
from shared.store.dead_letters import DeadLetters
from shared.store.mongo import Document, Mongo


class DeadLetterActs:
    """Groups of at most a few thousand. In a dry run what would be done is counted as done."""

    def __init__(self, mongo: Mongo, *, letters: DeadLetters, by_hand: ByHand) -> None:
        self._mongo = mongo
        self._letters = letters
        self._by_hand = by_hand

    async def name_others(self, ids: Sequence[str], counts: Counts) -> None:
        """Ids that were given and are no dead letters are left alone."""
        if ids:
            counts.left_alone.update((await self._letters.others(ids)).values())

    async def retry(self, group: Sequence[Document], counts: Counts, *, force: bool = False) -> None:
        """`force`: also those whose webhook is deleted or inactive."""
        ids = [letter["_id"] for letter in await self._sendable(group, counts, force=force)]
        counts.done += len(ids) if counts.dry_run else await self._by_hand.retry_dead(ids, self._mongo.now())

    async def discard(self, group: Sequence[Document], counts: Counts) -> None:
        ids = [letter["_id"] for letter in group]
        counts.done += len(ids) if counts.dry_run else await self._by_hand.discard(ids)

    async def _sendable(self, group: Sequence[Document], counts: Counts, *, force: bool) -> list[Document]:
        closed = {} if force else await self._letters.closed(group)
        without_event = await self._letters.without_event(group)
        sendable = []
        for letter in group:
            if letter["_id"] in without_event:
                counts.left_alone["the event is no longer kept"] += 1
            elif reason := closed.get(letter["webhook_id"]):
                counts.left_alone[reason] += 1
            else:
                sendable.append(letter)
        return sendable
