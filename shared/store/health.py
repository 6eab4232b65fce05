"""`webhook_health`: how endpoints do, gathered from all workers. Written every few seconds, promised by nobody."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from pymongo import UpdateOne

from shared.contracts.health import BreakerReport, News, StandingLine, WebhookHealth
from shared.store.mongo import Document, Mongo, unavailable_if_gone

VERSION = 1
KEPT = timedelta(days=30)
BREAKER_STALE = timedelta(seconds=90)
_SOON = timedelta(seconds=5)  # whose slot comes by itself
_LONG = timedelta(seconds=1)
_QUICK_FOR = timedelta(seconds=30)
_MOST = 500
_MOST_LINES = 2_000
_NO_REPORTS: Mapping[str, BreakerReport] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FailingRule:
    """So many failures since the last success, on so many days, and no success for so long."""

    failures: int
    days: int
    without_success: timedelta


class WebhookHealths:
    """One document a webhook."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def save(
        self,
        news: Iterable[News],
        worker: str = "",
        opened: Mapping[str, BreakerReport] = _NO_REPORTS,
        closed: Iterable[str] = (),
    ) -> None:
        """`opened` and `closed`: what changed of this worker's breakers."""
        now = self._mongo.now()
        writes = [UpdateOne({"_id": one.webhook_id}, _update(one, now), upsert=True) for one in news]
        field = f"breakers.{worker}"
        for webhook_id, report in opened.items():
            writes.append(_breaker(webhook_id, {"$set": {field: {"at": report.at, "probe_at": report.probe_at}}}))
        writes += [_breaker(webhook_id, {"$unset": {field: ""}}) for webhook_id in closed]
        if writes:
            async with unavailable_if_gone():
                await self._mongo.db.webhook_health.bulk_write(writes, ordered=True)

    async def of(self, webhook_ids: Iterable[str]) -> dict[str, WebhookHealth]:
        """Of each, also of one that nothing is known of."""
        wanted, now = list(webhook_ids), self._mongo.now()
        async with unavailable_if_gone():
            cursor = self._mongo.db.webhook_health.find({"_id": {"$in": wanted}})
            found = {document["_id"]: document for document in await cursor.to_list(None)}
        return {name: WebhookHealth.of(found.get(name), now, now - BREAKER_STALE) for name in wanted}

    async def recovered(self) -> list[Document]:
        """Those that answer again while deliveries of theirs still stand in line."""
        now = self._mongo.now()
        query = {"deferred_until": {"$gt": now + _SOON}, **_answers_again(now)}
        async with unavailable_if_gone():
            cursor = self._mongo.db.webhook_health.find(query, {"tenant_id": 1, "deferred_until": 1})
            return await cursor.limit(_MOST).to_list(None)

    async def lines(self) -> dict[str, StandingLine]:
        """Those at which deliveries stand in line and that do not answer again, longest first, up to a limit."""
        now = self._mongo.now()
        query = {"deferred_until": {"$gt": now + _LONG}, "$nor": [_answers_again(now)]}
        async with unavailable_if_gone():
            cursor = self._mongo.db.webhook_health.find(query, {"deferred_until": 1, "answers": 1})
            found = await cursor.sort("deferred_until", -1).limit(_MOST_LINES).to_list(None)
        return {one["_id"]: StandingLine(one["deferred_until"], one.get("answers", 0)) for one in found}

    async def caught_up(self, webhook_id: str, deferred_until: datetime) -> None:
        """What stood in line until then does no longer; who was put there since still does."""
        async with unavailable_if_gone():
            await self._mongo.db.webhook_health.update_one(
                {"_id": webhook_id, "deferred_until": deferred_until}, {"$unset": {"deferred_until": ""}}
            )

    async def failing(self, rule: FailingRule) -> list[str]:
        """Those that the rule is for. `failed_on` begins with the first day of failure since the last success."""
        before = self._mongo.now() - rule.without_success
        query = {
            "failures": {"$gte": rule.failures},
            f"failed_on.{rule.days - 1}": {"$exists": True},
            "$or": [
                {"last_success_at": {"$lte": before}},
                {"last_success_at": None, "failed_on.0": {"$lte": before.date().isoformat()}},
            ],
        }
        async with unavailable_if_gone():
            cursor = self._mongo.db.webhook_health.find(query, {"_id": 1}).hint("failures").limit(_MOST)
            return [document["_id"] for document in await cursor.to_list(None)]

    async def worst(self, webhook_ids: Iterable[str], most: int) -> list[str]:
        """Of these, the ones with the most failures since the last success, if they have any."""
        query = {"_id": {"$in": list(webhook_ids)}, "failures": {"$gt": 0}}
        async with unavailable_if_gone():
            cursor = self._mongo.db.webhook_health.find(query, {"failures": 1}).hint("_id_")
            found = await cursor.to_list(None)
        found.sort(key=lambda document: -document["failures"])
        return [document["_id"] for document in found[:most]]

    async def worst_of_all(self, most: int) -> list[str]:
        """Of all tenants, among those with failures enough to be in the index."""
        async with unavailable_if_gone():
            cursor = self._mongo.db.webhook_health.find({"failures": {"$gte": 20}}, {"_id": 1}).hint("failures")
            found = await cursor.sort("failures", -1).limit(most).to_list(None)
        return [document["_id"] for document in found]

    async def others(self, webhook_id: str, lately: timedelta) -> tuple[int, int]:
        """How many other endpoints did well lately, and how many did not."""
        since = self._mongo.now() - lately
        seen_last = {"$cond": [{"$gt": ["$last_success_at", "$last_failure_at"]}, "well", "unwell"]}
        pipeline: list[Document] = [
            {"$match": {"_id": {"$ne": webhook_id}, "told_at": {"$gte": since}}},
            {"$group": {"_id": seen_last, "count": {"$sum": 1}}},
        ]
        async with unavailable_if_gone():
            found = await self._mongo.db.webhook_health.aggregate(pipeline).to_list(None)
        counts = {group["_id"]: group["count"] for group in found}
        return counts.get("well", 0), counts.get("unwell", 0)

    async def forget(self, webhook_id: str) -> None:
        async with unavailable_if_gone():
            await self._mongo.db.webhook_health.delete_one({"_id": webhook_id})


def _answers_again(now: datetime) -> Document:
    return {
        "last_success_at": {"$gt": now - KEPT},
        "$expr": {
            "$and": [
                {"$gt": ["$last_success_at", "$last_failure_at"]},  # none at all is less than any
                {"$or": [{"$not": ["$last_slow_at"]}, {"$lt": ["$last_slow_at", now - _QUICK_FOR]}]},
            ]
        },
    }


def _update(news: News, now: datetime) -> Document:
    moments = {
        "last_success_at": news.success_at,
        "last_failure_at": news.failure_at,
        "last_slow_at": news.slow_at,
        "deferred_until": news.deferred_until,
    }
    update: Document = {
        "$set": {"v": VERSION, "tenant_id": news.tenant_id, "told_at": now, "expires_at": now + KEPT},
        "$max": {name: moment for name, moment in moments.items() if moment},
    }
    if news.error:
        update["$set"]["last_error"] = news.error
    if news.success_at:
        update["$set"] |= {"failures": news.failures, "failed_on": sorted(news.days)}
    elif news.failures:
        update |= {"$inc": {"failures": news.failures}, "$addToSet": {"failed_on": {"$each": sorted(news.days)}}}
    if news.answers:
        update.setdefault("$inc", {})["answers"] = news.answers
    return update


def _breaker(webhook_id: str, update: Document) -> UpdateOne:
    """Only where there is news of it: a breaker opens by failures, which are told first."""
    return UpdateOne({"_id": webhook_id}, update)
