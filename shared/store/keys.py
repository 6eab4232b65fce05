"""API keys: `scorm_` + random, stored as SHA-256, with scopes, bound to a tenant (the operator's to none)."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from cachetools import TTLCache

from shared.errors import Refused
from shared.store.mongo import Document, Mongo, unavailable_if_gone

SCOPES = ("read", "write", "admin")
VERSION = 1
_CACHE_SECONDS = 5
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Who asks. `tenant_id` None is the operator."""

    id: str
    tenant_id: str | None
    scopes: frozenset[str]
    expires_at: datetime | None = None

    def need(self, scope: str) -> None:
        """Raises Refused when the key lacks the scope; `admin` holds the others."""
        if scope not in self.scopes and "admin" not in self.scopes:
            raise Refused(403, "INSUFFICIENT_SCOPES", f"this key lacks the scope {scope!r}", required=scope)

    def tenant(self, named: str | None) -> str:
        """The tenant a request is about: the one it names, if this key may speak for it, else the key's own."""
        if self.tenant_id is None and named is None:
            raise Refused(400, "INVALID_REQUEST", "tenant_id: needed with the operator's key", field="tenant_id")
        if self.tenant_id is not None and named not in (None, self.tenant_id):
            raise Refused(403, "TENANT_MISMATCH", "tenant_id: this key belongs to another tenant", field="tenant_id")
        return named or self.tenant_id or ""


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Keys:
    """Finds out who a key belongs to. A revoked key works for at most a few seconds more."""

    def __init__(self, mongo: Mongo, *, admin_key: str) -> None:
        self._mongo = mongo
        self._admin = digest(admin_key) if admin_key else ""
        self._cache: TTLCache[str, ApiKey] = TTLCache(10_000, _CACHE_SECONDS)

    async def create(
        self,
        tenant_id: str | None,
        scopes: frozenset[str],
        *,
        name: str | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[Document, str]:
        """The document of a new key, and its text: this is the only time it is seen."""
        secret = "scorm_" + secrets.token_urlsafe(32)
        document = {
            "_id": digest(secret),
            "v": VERSION,
            "id": "key_" + secrets_id(),
            "tenant_id": tenant_id,
            "scopes": sorted(scopes),
            "name": name,
            "created_at": self._mongo.now(),
            "expires_at": expires_at,
            "last_used_at": None,
        }
        async with unavailable_if_gone():
            await self._mongo.db.api_keys.insert_one(document)
        return document, secret

    async def page(self, tenant_id: str | None, *, after: str | None, limit: int) -> list[Document]:
        """In order of id, from behind `after`."""
        query: Document = {"tenant_id": tenant_id} if tenant_id else {}
        if after:
            query["id"] = {"$gt": after}
        async with unavailable_if_gone():
            return await self._mongo.db.api_keys.find(query).sort("id", 1).limit(limit).to_list(None)

    async def delete(self, key_id: str, tenant_id: str | None) -> bool:
        """With a tenant, only that tenant's."""
        query = {"id": key_id, "tenant_id": tenant_id} if tenant_id else {"id": key_id}
        async with unavailable_if_gone():
            document = await self._mongo.db.api_keys.find_one_and_delete(query)
        if document:
            self._cache.pop(document["_id"], None)
        return document is not None

    async def identify(self, secret: str | None) -> ApiKey:
        """Raises Refused: UNAUTHORIZED without a key, INVALID_API_KEY, EXPIRED_API_KEY."""
        if not secret:
            raise Refused(401, "UNAUTHORIZED", "an API key is needed, in X-API-Key or Authorization: Bearer")
        hashed = digest(secret)
        if self._admin and hmac.compare_digest(hashed, self._admin):
            return ApiKey("operator", None, frozenset(SCOPES))
        key = self._cache.get(hashed) or await self._read(hashed)
        if key.expires_at and key.expires_at <= self._mongo.now():
            raise Refused(401, "EXPIRED_API_KEY", "this API key has expired; create a new one")
        return key

    async def _read(self, hashed: str) -> ApiKey:
        async with unavailable_if_gone():
            document = await self._mongo.db.api_keys.find_one({"_id": hashed})
        if document is None:
            raise Refused(401, "INVALID_API_KEY", "this API key is not known or was revoked")
        await self._note_use(document)
        key = ApiKey(document["id"], document["tenant_id"], frozenset(document["scopes"]), document["expires_at"])
        self._cache[hashed] = key
        return key

    async def _note_use(self, document: Document) -> None:
        """Once a minute is enough for people."""
        now, last = self._mongo.now(), document.get("last_used_at")
        if last is None or now - last > _NOTED_EVERY:
            async with unavailable_if_gone():
                await self._mongo.db.api_keys.update_one({"_id": document["_id"]}, {"$set": {"last_used_at": now}})


def secrets_id() -> str:
    return secrets.token_hex(12)
