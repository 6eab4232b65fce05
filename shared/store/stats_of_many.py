"""Hourly statistics of several webhooks, or of several tenants together, each asked for in one query."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from shared.contracts.counts import Counts
from shared.contracts.delivery import Status
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.stats import key_prefix
from shared.times import iso

ByHour = Mapping[datetime, Counts]

# Added up by the database: a document of a busy hour is 20 kB, its counts a few figures. In one expression, which took
# it two thirds of the time that two stages did.
_MINUTES: Document = {"$map": {"input": {"$objectToArray": "$minutes"}, "in": "$$this.v.counts"}}
_SUMS: Document = {status.value: {"$sum": f"$$minutes.{status.value}"} for status in Status}
_COUNTED: Document = {
    "$replaceWith": {
        "webhook_id": "$webhook_id",
        "hour": "$hour",
        "counts": {"$let": {"vars": {"minutes": _MINUTES}, "in": _SUMS}},
    }
}
_TOGETHER: Document = {
    "$group": {"_id": "$webhook_id", **{status.value: {"$sum": f"$counts.{status.value}"} for status in Status}}
}


class StatsOfMany:
    """Of hours that begin in [since, until). Whose they are is decided by whoever names the webhooks or tenants."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def of_webhooks(
        self, webhook_ids: Iterable[str], since: datetime, until: datetime, *, whole_from: datetime
    ) -> Mapping[str, ByHour]:
        """Hours with deliveries only, and before `whole_from` only those of which some wait. A webhook that had none
        is not in it.
        """
        prefixes = [key_prefix("", webhook_id) for webhook_id in webhook_ids]
        wanted = {"$match": {"$or": [{"hour": {"$gte": whole_from}}, {"counts.waiting": {"$gt": 0}}]}}
        found: defaultdict[str, dict[datetime, Counts]] = defaultdict(dict)
        for row in await self._counted(_within(prefixes, since, until), "_id_", [wanted]) if prefixes else ():
            found[row["webhook_id"]][row["hour"]] = Counts.of(row["counts"])
        return found

    async def total(self, tenant_ids: Iterable[str], since: datetime, until: datetime) -> Counts:
        """Of all webhooks of these tenants."""
        prefixes = [key_prefix(tenant_id, None) for tenant_id in tenant_ids]
        rows = await self._counted(_within(prefixes, since, until), "_id_", [_TOGETHER]) if prefixes else []
        return Counts.of(rows[0]) if rows else Counts()

    async def lately(self, tenant_ids: Sequence[str], since: datetime) -> Mapping[str, Counts]:
        """Of each webhook of these tenants: all of them are read, so that `since` ought to be hours ago, not days."""
        query = {"tenant_id": {"$in": list(tenant_ids)}, "hour": {"$gte": since}}
        rows = await self._counted(query, "tenant", [_TOGETHER])
        return {row["_id"]: Counts.of(row) for row in rows if row["_id"]}

    async def documents(
        self, tenant_ids: Iterable[str], webhook_id: str | None, since: datetime, until: datetime
    ) -> list[Document]:
        """Whole ones, for `Sums`: of one webhook, or of all of each of these tenants."""
        tenants = list(tenant_ids)
        prefixes = {key_prefix(tenant_id, webhook_id) for tenant_id in tenants}
        query = {**_within(prefixes, since, until), "tenant_id": {"$in": tenants}}
        if not prefixes:
            return []
        async with unavailable_if_gone():
            return await self._mongo.db.stats.find(query).hint("_id_").to_list(None)

    async def _counted(self, query: Document, index: str, then: Iterable[Document] = ()) -> list[Document]:
        async with unavailable_if_gone():
            cursor = self._mongo.db.stats.aggregate([{"$match": query}, _COUNTED, *then], hint=index)
            return await cursor.to_list(None)


def _within(prefixes: Iterable[str], since: datetime, until: datetime) -> Document:
    """Neighbours in the index of `_id`, a range for each."""
    return {"$or": [{"_id": {"$gte": prefix + iso(since), "$lt": prefix + iso(until)}} for prefix in prefixes]}
