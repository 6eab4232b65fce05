"""The connection to MongoDB: write concerns, the indexes, the database's clock, and its ways of being away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import structlog
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo import ASCENDING, DESCENDING, IndexModel, WriteConcern
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from shared.errors import DependencyUnavailable, StoreUnavailable
from shared.lifecycle import background, cancel
from shared.retry import keep_trying
from shared.times import at

log = structlog.get_logger()

Document = dict[str, Any]
CLOCK_SECONDS = 30
MAX_OFFSET_SECONDS = 10

# Codes by which a server says "not now": stepping down, shutting down, interrupted, no primary.
_NOT_NOW = frozenset({64, 89, 91, 112, 189, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436})

INDEXES: dict[str, list[IndexModel]] = {
    "webhooks": [IndexModel([("tenant_id", ASCENDING), ("created_at", ASCENDING)])],
    "events": [IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0)],
    "deliveries": [
        IndexModel([("webhook_id", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("due_at", ASCENDING)], partialFilterExpression={"status": "waiting"}),
        IndexModel([("handed_at", ASCENDING)], partialFilterExpression={"status": "pending"}),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0, sparse=True),
    ],
    "api_keys": [
        IndexModel([("id", ASCENDING)], unique=True),
        IndexModel([("tenant_id", ASCENDING), ("id", ASCENDING)]),
    ],
    "idempotency": [IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0)],
}


@asynccontextmanager
async def unavailable_if_gone() -> AsyncIterator[None]:
    """Turns MongoDB's ways of being away, slow or in between primaries into StoreUnavailable."""
    try:
        yield
    except (ConnectionFailure, WTimeoutError, ExecutionTimeout) as error:
        raise StoreUnavailable(f"MongoDB: {type(error).__name__}: {error}") from error
    except BulkWriteError as error:
        if (error.details or {}).get("writeConcernErrors"):
            raise StoreUnavailable("MongoDB: not written by a majority in time") from error
        raise
    except OperationFailure as error:
        if error.code in _NOT_NOW or error.has_error_label("RetryableWriteError"):
            raise StoreUnavailable(f"MongoDB: {error}") from error
        raise


class Mongo:
    """A client with our defaults, and the clock of the database. `start` returns at once; indexes follow."""

    def __init__(self, *, url: str, database: str, timeout_seconds: float) -> None:
        self._timeout_ms = int(timeout_seconds * 1000)
        self._url = url
        self._name = database
        self._client: AsyncIOMotorClient[Document] | None = None
        self._offset = 0.0
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def db(self) -> AsyncIOMotorDatabase[Document]:
        """Writes through it are promised by a majority's journals, in time or not at all."""
        if self._client is None:
            self._client = self._connect()
        return self._client.get_database(
            self._name, write_concern=WriteConcern(w="majority", j=True, wtimeout=self._timeout_ms)
        )

    def _connect(self) -> "AsyncIOMotorClient[Document]":
        return AsyncIOMotorClient(
            self._url,
            tz_aware=True,
            appname="webhook-dispatcher",
            serverSelectionTimeoutMS=self._timeout_ms // 2,
            connectTimeoutMS=self._timeout_ms // 2,
            socketTimeoutMS=self._timeout_ms + 5_000,
        )

    def now(self) -> datetime:
        """The database's time."""
        return at(self.seconds())

    def seconds(self) -> float:
        """The database's time in seconds since the epoch."""
        return time.time() + self._offset

    async def start(self) -> None:
        self._task = background(self._keep_time())

    async def stop(self, deadline: float) -> None:
        self._stopping.set()
        await cancel(self._task)
        if self._client:
            self._client.close()

    async def check(self) -> None:
        """Raises when the database does not answer, the indexes are not there, or the clocks are far apart."""
        async with unavailable_if_gone():
            await self.db.command("ping")
        if not self._ready.is_set():
            raise DependencyUnavailable("MongoDB: indexes are not there yet")
        if abs(self._offset) > MAX_OFFSET_SECONDS:
            raise DependencyUnavailable(f"this machine's clock is {self._offset:+.1f} s away from the database's")

    async def ready(self) -> None:
        """Wait until the indexes exist and the clock is known."""
        await self._ready.wait()

    async def _keep_time(self) -> None:
        try:
            await keep_trying(self._prepare, self._stopping)
        except DependencyUnavailable:
            return
        except PyMongoError as error:
            log.error("store.indexes_failed", error=str(error))
            raise
        self._ready.set()
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            try:
                await self._measure_offset()
            except DependencyUnavailable as error:
                log.warning("store.clock_unknown", error=str(error))

    async def _prepare(self) -> None:
        await self._measure_offset()
        async with unavailable_if_gone():
            for collection, indexes in INDEXES.items():
                await self.db[collection].create_indexes(indexes)

    async def _measure_offset(self) -> None:
        sent = time.time()
        async with unavailable_if_gone():
            hello = await self.db.command("hello")
        took = time.time() - sent
        if took < 1:  # a slow answer says nothing about the clock
            self._offset = hello["localTime"].timestamp() - (sent + took / 2)
