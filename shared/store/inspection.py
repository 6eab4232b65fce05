"""Looks at the database server: what it is, whether a majority takes writes, how full its disk is."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pymongo.errors import OperationFailure

from shared.errors import StoreUnavailable
from shared.store.mongo import Mongo, unavailable_if_gone

_CAN_HOLD_DATA = (1, 2)  # primary and secondary, as `rs.status()` numbers them


class Trouble(StrEnum):
    """Why the database does not answer, by what somebody has to do."""

    NOT_IN_SET = "no replica set"
    NO_PRIMARY = "no primary"
    TLS = "tls"
    AWAY = "away"


def trouble(error: StoreUnavailable) -> Trouble:
    """MongoDB's driver tells it in words only."""
    words = str(error)
    if "SSL" in words or "certificate" in words:
        return Trouble.TLS
    if "No replica set members available" in words:
        return Trouble.NOT_IN_SET
    if "No primary" in words or "No replica set members match" in words:
        return Trouble.NO_PRIMARY
    return Trouble.AWAY


def briefly(error: StoreUnavailable) -> str:
    """Without the driver's own state, which fills a screen."""
    return re.sub(r" \(configured timeouts: [^)]*\)|, Timeout: .*", "", str(error), flags=re.DOTALL)


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """`majority`: how many members have to have a write. `down`: members that do not answer the others."""

    majority: int
    up: int
    down: Sequence[str]


class StoreInspection:
    """Each question on its own, as a user may be allowed one and not the other. Raises StoreUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    async def set_name(self) -> str | None:
        """None: it is no member of a replica set."""
        async with unavailable_if_gone():
            hello = await self._mongo.db.command("hello")
        name = hello.get("setName")
        return str(name) if name else None

    async def version(self) -> str:
        async with unavailable_if_gone():
            return str((await self._mongo.db.command("buildInfo"))["version"])

    async def replica_set(self) -> ReplicaSet | None:
        """None: the user may not ask, as is usual."""
        try:
            async with unavailable_if_gone():
                status = await self._mongo.db.client.admin.command("replSetGetStatus")
        except OperationFailure:
            return None
        members = status["members"]
        up = [one for one in members if one["health"] and one["state"] in _CAN_HOLD_DATA]
        down = [one["name"] for one in members if not one["health"]]
        return ReplicaSet(status.get("writeMajorityCount", len(members) // 2 + 1), len(up), down)

    async def write_seconds(self) -> float | None:
        """How long a majority takes for a write that changes nothing. None: the user may not write."""
        began = time.monotonic()
        try:
            async with unavailable_if_gone():
                await self._mongo.db.markers.delete_one({"_id": "nothing has this id"})
        except OperationFailure:
            return None
        return time.monotonic() - began

    async def disk_free(self) -> float | None:
        """The free share of the disk that holds the data, 0 to 1. None: not known."""
        try:
            async with unavailable_if_gone():
                told = await self._mongo.db.command("dbStats")
        except OperationFailure:
            return None
        total = told.get("fsTotalSize")
        return 1 - told["fsUsedSize"] / total if total else None
