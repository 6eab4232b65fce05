"""Hourly statistics as documents: each minute of an hour is counted anew from its deliveries, whenever they changed.

A figure that is counted again is right whoever died while it was kept; one that is added to would not be.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from pymongo import UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError

from shared.contracts.cell import MINUTE, Cell
from shared.contracts.delivery import Status
from shared.contracts.stats import HourStats
from shared.latency import PER_DOUBLING
from shared.store.duplicates import only_duplicates
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.times import iso

VERSION = 1
_HOUR = timedelta(hours=1)

_MILLISECONDS = {"$subtract": ["$ended_at", {"$ifNull": ["$round_started_at", "$created_at"]}]}
_DOUBLINGS = {"$log": [{"$add": [{"$max": [0, _MILLISECONDS]}, 1]}, 2]}
_BUCKET = {"$floor": {"$multiply": [PER_DOUBLING, _DOUBLINGS]}}  # as in `shared/latency.py`
_GROUPED = {
    "_id": {
        "webhook_id": "$webhook_id",
        "status": "$status",
        "bucket": {"$cond": [{"$eq": ["$status", Status.SUCCEEDED]}, _BUCKET, None]},
    },
    "deliveries": {"$sum": 1},
    "attempts": {"$sum": "$attempt_count"},
}


@dataclass(slots=True)
class Figures:
    """Of one minute: deliveries by status, latencies by bucket, all attempts."""

    counts: Counter[str] = field(default_factory=Counter)
    latency: Counter[str] = field(default_factory=Counter)
    attempts: int = 0

    def add(self, row: Document) -> None:
        self.counts[row["_id"]["status"]] += row["deliveries"]
        self.attempts += row["attempts"]
        if row["_id"]["bucket"] is not None:
            self.latency[str(int(row["_id"]["bucket"]))] += row["deliveries"]

    def document(self, as_of: datetime) -> Document:
        return {
            "as_of": as_of,
            "counts": dict(self.counts),
            "attempts": self.attempts,
            "latency": dict(self.latency),
        }


ByWebhook = Mapping[str | None, Figures]
"""None: all of the tenant."""

Pause = Callable[[float], Awaitable[None]]
"""Is given for how many seconds the database worked."""


async def _no_pause(_: float) -> None:
    """For who is in a hurry."""


class Stats:
    """`kept`: for how long after its hour."""

    def __init__(self, mongo: Mongo, *, kept: timedelta) -> None:
        self._mongo = mongo
        self._kept = kept

    async def count(self, cell: Cell, parts: int = 1, pause: Pause = _no_pause) -> ByWebhook:
        """From the deliveries themselves, in so many parts; `pause` is awaited behind each."""
        figures: defaultdict[str | None, Figures] = defaultdict(Figures)
        edges = [cell.begins + MINUTE * part / parts for part in range(parts + 1)]
        for start, end in pairwise(edges):
            began = time.perf_counter()
            for row in await self._rows(cell.tenant_id, start, end):
                figures[row["_id"]["webhook_id"]].add(row)
                figures[None].add(row)
            await pause(time.perf_counter() - began)
        return figures

    async def _rows(self, tenant_id: str, start: datetime, end: datetime) -> list[Document]:
        made = {"$gte": start, "$lt": end}
        pipeline: list[Document] = [{"$match": {"tenant_id": tenant_id, "created_at": made}}, {"$group": _GROUPED}]
        async with unavailable_if_gone():
            return await self._mongo.db.deliveries.aggregate(pipeline, hint="tenant").to_list(None)

    async def keep(self, cell: Cell, figures: ByWebhook, as_of: datetime) -> None:
        """Figures that were counted at `as_of`; what was counted later by somebody faster stays."""
        minute = f"minutes.{cell.begins.minute}"
        writes: list[UpdateOne | UpdateMany] = [
            self._write(cell, webhook_id, {minute: figure.document(as_of)}, {f"{minute}.as_of": _not_before(as_of)})
            for webhook_id, figure in figures.items()
        ]
        others = {"tenant_id": cell.tenant_id, "hour": cell.hour, "webhook_id": {"$nin": list(figures)}}
        # Whoever had deliveries in this minute and has none any more: they were erased.
        none = {"$set": {minute: Figures().document(as_of)}}
        writes.append(UpdateMany({**others, f"{minute}.as_of": {"$lt": as_of}}, none))
        async with unavailable_if_gone():
            try:
                await self._mongo.db.stats.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                # The upsert found newer figures, so that it matched nothing and could not insert.
                if not only_duplicates(error):
                    raise

    def _write(self, cell: Cell, webhook_id: str | None, figures: Document, condition: Document) -> UpdateOne:
        facts = {
            "v": VERSION,
            "hour": cell.hour,
            "tenant_id": cell.tenant_id,
            "webhook_id": webhook_id,
            "expires_at": cell.hour + _HOUR + self._kept,
        }
        key = key_prefix(cell.tenant_id, webhook_id) + iso(cell.hour)
        return UpdateOne({"_id": key, **condition}, {"$set": figures, "$setOnInsert": facts}, upsert=True)

    async def hours(self, tenant_id: str, webhook_id: str | None, since: datetime, until: datetime) -> list[HourStats]:
        """Hours that begin in [since, until) and have deliveries, in order; of one webhook or of all together."""
        prefix = key_prefix(tenant_id, webhook_id)
        query = {"_id": {"$gte": prefix + iso(since), "$lt": prefix + iso(until)}, "tenant_id": tenant_id}
        async with unavailable_if_gone():
            documents = await self._mongo.db.stats.find(query).hint("_id_").sort("_id", 1).to_list(None)
        return [hour for hour in map(HourStats.of, documents) if hour.created]

    async def forget(self, tenant_id: str, before: datetime) -> int:
        """Erase a tenant's hours that ended by then; answers how many documents that were.

        Its deliveries are erased first, as moves (see `Uncounted.moving`): that counts the hour of `before` anew, and
        whatever somebody still keeps that was counted earlier.
        """
        query = {"tenant_id": tenant_id, "hour": {"$lte": before - _HOUR}}
        async with unavailable_if_gone():
            result = await self._mongo.db.stats.delete_many(query)
        return result.deleted_count


def _not_before(as_of: datetime) -> Document:
    return {"$not": {"$gte": as_of}}


def key_prefix(tenant_id: str, webhook_id: str | None) -> str:
    """Of the keys of one webhook's hours, or of all of a tenant's together."""
    return f"w/{webhook_id}/" if webhook_id else f"t/{tenant_id}/"
