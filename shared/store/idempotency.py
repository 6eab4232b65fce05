"""Remembers `Idempotency-Key`s, so that a repeated request is recognised and a different one under it refused."""

from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from shared.errors import Refused
from shared.store.mongo import Mongo, unavailable_if_gone

VERSION = 1


class IdempotencyKeys:
    """Kept for `lifetime`; scoped to the API key that brought them."""

    def __init__(self, mongo: Mongo, *, lifetime: timedelta) -> None:
        self._mongo = mongo
        self._lifetime = lifetime

    async def claim(self, key_id: str, idempotency_key: str, body_hash: str) -> None:
        """Take it for this body. The same body may come again; another raises Refused DUPLICATE_ENTRY."""
        name = f"{key_id}/{idempotency_key}"
        document = {
            "_id": name,
            "v": VERSION,
            "body_hash": body_hash,
            "expires_at": self._mongo.now() + self._lifetime,
        }
        async with unavailable_if_gone():
            try:
                await self._mongo.db.idempotency.insert_one(document)
                return
            except DuplicateKeyError:
                known = await self._mongo.db.idempotency.find_one({"_id": name})
        if known and known["body_hash"] != body_hash:
            raise Refused(409, "DUPLICATE_ENTRY", "this Idempotency-Key was used with another body")
