"""The connection to MongoDB: write concerns, the indexes, the database's clock, and its ways of being away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import structlog
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession, AsyncIOMotorDatabase
from pymongo import ASCENDING, DESCENDING, IndexModel, WriteConcern
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from shared import metrics
from shared.errors import DependencyUnavailable, StartupError, StoreUnavailable
from shared.lifecycle import background, cancel
from shared.retry import keep_trying
from shared.times import at

log = structlog.get_logger()

Document = dict[str, Any]
Result = TypeVar("Result")
CLOCK_SECONDS = 30
MAX_OFFSET_SECONDS = 10
_CONFLICT_SECONDS = 0.005

# Codes by which a server says "not now": stepping down, shutting down, interrupted, no primary.
_NOT_NOW = frozenset({64, 89, 91, 112, 189, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436})

# Codes by which a server says that who asks may not: unauthorized, authentication failed.
_NOT_ALLOWED = frozenset({13, 18})

# Lists are newest first. What they filter by stands behind the order, so that only what is shown is read.
_NEWEST_FIRST = [("created_at", DESCENDING), ("_id", DESCENDING)]
_FILTERED = [("status", ASCENDING), ("event", ASCENDING), ("answered", ASCENDING)]
_DEAD_FILTERED = [("tenant_id", ASCENDING), ("webhook_id", ASCENDING), ("reason", ASCENDING), *_FILTERED]

INDEXES: dict[str, list[IndexModel]] = {
    "webhooks": [
        IndexModel([("tenant_id", ASCENDING), *_NEWEST_FIRST], name="tenant"),
        IndexModel(_NEWEST_FIRST, name="all"),
    ],
    "events": [
        IndexModel([("tenant_id", ASCENDING), *_NEWEST_FIRST, ("event", ASCENDING)], name="tenant"),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
    ],
    "deliveries": [
        IndexModel([("webhook_id", ASCENDING), *_NEWEST_FIRST, *_FILTERED], name="webhook"),
        IndexModel([("tenant_id", ASCENDING), *_NEWEST_FIRST, *_FILTERED], name="tenant"),
        IndexModel([("due_at", ASCENDING)], partialFilterExpression={"status": "waiting"}),
        IndexModel(
            [("webhook_id", ASCENDING), ("due_at", ASCENDING)],
            name="waiting",
            partialFilterExpression={"status": "waiting"},
        ),
        IndexModel([("handed_at", ASCENDING)], partialFilterExpression={"status": "pending"}),
        IndexModel(
            [("webhook_id", ASCENDING), ("order", ASCENDING)],
            name="order",
            partialFilterExpression={"order": {"$exists": True}},
        ),
        IndexModel([("fold_key", ASCENDING)], name="newer", partialFilterExpression={"waiting_for": "newer"}),
        # Of all tenants. What lives or succeeded is not in it, and costs it nothing.
        IndexModel([*_NEWEST_FIRST, *_DEAD_FILTERED], name="dead", partialFilterExpression={"status": "dead"}),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0, sparse=True),
    ],
    "api_keys": [
        IndexModel([("id", ASCENDING)], unique=True),
        IndexModel([("tenant_id", ASCENDING), ("created_at", DESCENDING), ("id", DESCENDING)], name="tenant"),
        IndexModel([("created_at", DESCENDING), ("id", DESCENDING)], name="all"),
    ],
    "uncounted": [
        IndexModel([("due_at", ASCENDING)]),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
    ],
    "stats": [
        IndexModel([("tenant_id", ASCENDING), ("hour", ASCENDING)], name="tenant"),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
    ],
    "webhook_health": [
        IndexModel([("deferred_until", ASCENDING)], sparse=True),
        IndexModel([("failures", ASCENDING)], name="failures", partialFilterExpression={"failures": {"$gte": 20}}),
        IndexModel([("told_at", ASCENDING)]),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
    ],
    "idempotency": [IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0)],
    "slots": [IndexModel([("next_at", ASCENDING)], expireAfterSeconds=24 * 3600)],
    "orders": [IndexModel([("look_at", ASCENDING)], sparse=True)],
    "jobs": [
        IndexModel([("due_at", ASCENDING)], partialFilterExpression={"status": "running"}),
        IndexModel([("webhook_id", ASCENDING), *_NEWEST_FIRST], name="webhook", sparse=True),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0, sparse=True),
    ],
    "audit": [
        IndexModel([("tenant_id", ASCENDING), *_NEWEST_FIRST], name="tenant"),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
    ],
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


@asynccontextmanager
async def misconfigured_if_refused() -> AsyncIterator[None]:
    """Turns an address or a password of MongoDB that cannot be used into StartupError."""
    try:
        yield
    except ConfigurationError as error:
        raise StartupError(f"DISPATCHER_MONGODB_URL: {error}") from None
    except OperationFailure as error:
        if error.code in _NOT_ALLOWED:
            raise StartupError(
                f"DISPATCHER_MONGODB_URL: {error.details.get('errmsg') if error.details else error}"
            ) from None
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
        """Raises StartupError for an address that is none, and for files it names that cannot be read."""
        try:
            return AsyncIOMotorClient(
                self._url,
                tz_aware=True,
                appname="webhook-dispatcher",
                serverSelectionTimeoutMS=self._timeout_ms // 2,
                connectTimeoutMS=self._timeout_ms // 2,
                socketTimeoutMS=self._timeout_ms + 5_000,
            )
        except (ValueError, OSError) as error:
            raise StartupError(f"DISPATCHER_MONGODB_URL: {error}") from None

    async def atomically(self, work: Callable[[AsyncIOMotorClientSession], Coroutine[Any, Any, Result]]) -> Result:
        """All writes that `work` makes with its session, or none. It may be run again; StoreUnavailable when late."""
        async with unavailable_if_gone():
            try:
                async with asyncio.timeout(self._timeout_ms / 1000), await self.db.client.start_session() as session:
                    return await self._transaction(session, work)
            except TimeoutError:
                raise StoreUnavailable("MongoDB: the transaction did not end in time") from None

    async def _transaction(
        self,
        session: AsyncIOMotorClientSession,
        work: Callable[[AsyncIOMotorClientSession], Coroutine[Any, Any, Result]],
    ) -> Result:
        """Again while others are in the way. Motor's own `with_transaction` gives up when they are at the commit."""
        while True:
            try:
                async with session.start_transaction(write_concern=self.db.write_concern):
                    return await work(session)
            except PyMongoError as error:
                if not error.has_error_label("TransientTransactionError"):
                    raise
                await asyncio.sleep(_CONFLICT_SECONDS)

    def now(self) -> datetime:
        """The database's time."""
        return at(self.seconds())

    def seconds(self) -> float:
        """The database's time in seconds since the epoch."""
        return time.time() + self._offset

    @property
    def offset_seconds(self) -> float:
        """How far the database's clock is ahead of ours, as last measured."""
        return self._offset

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
            async with misconfigured_if_refused():
                await keep_trying(self.prepare, self._stopping)
        except DependencyUnavailable:
            return
        except PyMongoError as error:
            log.error("store.indexes_failed", error=str(error))
            raise
        self._ready.set()
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            try:
                await self.measure_offset()
            except DependencyUnavailable as error:
                log.warning("store.clock_unknown", error=str(error))

    async def prepare(self) -> None:
        """What `start` does in the background, once. Raises StoreUnavailable."""
        await self.measure_offset()
        async with unavailable_if_gone():
            for collection, indexes in INDEXES.items():
                await self.db[collection].create_indexes(indexes)

    async def measure_offset(self) -> None:
        """Raises StoreUnavailable."""
        sent = time.time()
        async with unavailable_if_gone():
            hello = await self.db.command("hello")
        took = time.time() - sent
        if took < 1:  # a slow answer says nothing about the clock
            self._offset = hello["localTime"].timestamp() - (sent + took / 2)
            metrics.CLOCK_OFFSET.set(self._offset)
