"""Updates of which only the newest is sent: each takes the place of the one that still waits, which ends as folded."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from shared import metrics
from shared.contracts.cell import Cell
from shared.contracts.delivery import Status, WaitingFor
from shared.contracts.message import QueuedDelivery
from shared.store.deliveries import document_of, held, known_for_good
from shared.store.duplicates import only_duplicates
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.steps import ending
from shared.store.uncounted import Uncounted

_WAITS = {"status": Status.WAITING, "waiting_for": WaitingFor.NEWER}


@dataclass(frozen=True, slots=True)
class Update:
    """`key`: what it has in common with those whose place it takes; `window`: how long the first of them waits."""

    delivery: QueuedDelivery
    key: str
    window: timedelta


class Folding:
    """`retention` is how long a delivery is kept once it ended."""

    def __init__(self, mongo: Mongo, *, retention: timedelta) -> None:
        self._mongo = mongo
        self._retention = retention
        self._uncounted = Uncounted(mongo, retention=retention)

    async def insert(self, updates: Sequence[Update]) -> int:
        """Of each key the newest waits, all others end as folded. Answers how many were not there before.

        `updates` are in the order of arrival, and so was all that was inserted before: whoever inserts one has found
        or inserted those before it. So what is read as waiting, and then does not turn out to have been folded, is
        older than what is inserted with it in one transaction, however many fan-outs are at the same updates.
        """
        while fresh := await self._new(updates):
            keys = {update.key for update in fresh}
            waiting = await self._waiting(keys)
            documents = list(_documents(fresh, waiting, self._mongo.now(), self._retention))
            cells = map(Cell.of_document, [*documents, *waiting.values()])
            async with self._uncounted.changing(cells):
                if await self._replaced(documents, list(waiting.values())):
                    metrics.ended(Status.FOLDED, None, len(documents) + len(waiting) - len(keys))
                    return len(documents)
        return 0

    async def _new(self, updates: Sequence[Update]) -> list[Update]:
        """Without those that are there already: they were folded, or are what waits."""
        known = await known_for_good(self._mongo, [update.delivery.id for update in updates])
        return [update for update in updates if update.delivery.id not in known]

    async def _waiting(self, keys: Collection[str]) -> dict[str, Document]:
        """What waits now, by key: one at most."""
        async with unavailable_if_gone():
            cursor = self._mongo.db.deliveries.find({"fold_key": {"$in": list(keys)}, **_WAITS}).hint("newer")
            return {document["fold_key"]: document for document in await cursor.to_list(None)}

    async def _replaced(self, documents: Sequence[Document], waiting: Sequence[Document]) -> bool:
        """All that is new and all that it replaces; False, and nothing, when somebody was faster with one of them."""
        newest = {document["fold_key"]: document["_id"] for document in documents}
        folds = [self._fold(old["_id"], newest[old["fold_key"]]) for old in waiting]
        try:
            await self._mongo.atomically(partial(self._write, documents, folds))
        except _Faster:
            return False
        except BulkWriteError as error:
            if not only_duplicates(error):
                raise
            return False
        return True

    async def _write(self, documents: Sequence[Document], folds: Sequence[UpdateOne], session: Any) -> None:
        deliveries = self._mongo.db.deliveries
        await deliveries.insert_many(documents, session=session)
        if folds:
            result = await deliveries.bulk_write(folds, session=session)
            if result.matched_count < len(folds):
                raise _Faster

    def _fold(self, old: str, into: str) -> UpdateOne:
        """A new turn, so that nobody decides under the old one."""
        update = ending(Status.FOLDED, None, self._mongo.now(), self._retention)
        update["$set"]["folded_into"] = into
        return UpdateOne({"_id": old, **_WAITS}, {**update, "$inc": {"turn": 1}})


class _Faster(Exception):
    """What was to be folded is being sent, or was folded by somebody else."""


def _documents(
    updates: Sequence[Update], waiting: dict[str, Document], now: datetime, retention: timedelta
) -> Iterable[Document]:
    newest = {update.key: update.delivery.id for update in updates}
    for update in updates:
        delivery, into = update.delivery, newest[update.key]
        if delivery.id == into:
            # The window does not move. One that is over is kept too: what is overdue is overtaken by nothing newer.
            due_at = waiting[update.key]["due_at"] if update.key in waiting else now + update.window
            yield held(delivery, now, WaitingFor.NEWER) | {"fold_key": update.key, "due_at": due_at}
        else:
            folded = ending(Status.FOLDED, None, now, retention)["$set"]
            yield document_of(delivery, now) | folded | {"fold_key": update.key, "folded_into": into}
