"""The hourly statistics against a scan of all deliveries."""

from collections import Counter
from typing import Any

from tests.cluster import until

Figures = Counter[tuple[str, str, str]]
"""(webhook or tenant, hour, status) → deliveries."""


async def figures_equal_a_scan(db: Any, within_seconds: float) -> None:
    differences: list[str] = []

    async def are_equal() -> bool:
        kept, scanned = await _kept(db), await _scanned(db)
        differences[:] = [
            f"{key}: {kept[key]} in the statistics, {scanned[key]} deliveries"
            for key in sorted(kept | scanned)
            if kept[key] != scanned[key]
        ]
        return not differences

    await until(are_equal, within_seconds, lambda: "\n".join(differences), every=1)


async def _kept(db: Any) -> Figures:
    kept: Figures = Counter()
    async for hour in db.stats.find({}):
        for minute in hour["minutes"].values():
            for status, deliveries in minute["counts"].items():
                kept[hour["webhook_id"] or hour["tenant_id"], f"{hour['hour']:%Y-%m-%dT%H}", status] += deliveries
    return kept


async def _scanned(db: Any) -> Figures:
    hour = {"$dateToString": {"date": "$created_at", "format": "%Y-%m-%dT%H"}}
    grouped = {"webhook": "$webhook_id", "tenant": "$tenant_id", "hour": hour, "status": "$status"}
    pipeline = [
        {"$match": {"created_at": {"$exists": True}}},  # one test makes a document that is none
        {"$group": {"_id": grouped, "deliveries": {"$sum": 1}}},
    ]
    scanned: Figures = Counter()
    async for row in db.deliveries.aggregate(pipeline):
        for owner in ("webhook", "tenant"):
            scanned[row["_id"][owner], row["_id"]["hour"], row["_id"]["status"]] += row["deliveries"]
    return scanned
