"""API keys: `scorm_` + random, stored as SHA-256, with scopes, bound to a tenant (the operator's to none)."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cachetools import TTLCache

from shared.contracts.listing import Position
from shared.errors import Refused
from shared.ids import random_hex
from shared.store.audit import SYSTEM, Audit
from shared.store.mongo import Document, Mongo, unavailable_if_gone
from shared.store.paging import newest, window

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

    def tenant_or_all(self, named: str | None) -> str | None:
        """As `tenant`; the operator who names none asks about all, which is None."""
        return self.tenant(named) if named or self.tenant_id else None


def digest(secret: str) -> str:
    """Of whatever bytes a header held."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class Keys:
    """Finds out who a key belongs to. A revoked key works for at most a few seconds more."""

    def __init__(self, mongo: Mongo, *, admin_key: str) -> None:
        self._mongo = mongo
        self._audit = Audit(mongo)
        self._admin = digest(admin_key) if admin_key else ""
        self._cache: TTLCache[str, ApiKey] = TTLCache(10_000, _CACHE_SECONDS)

    async def create(
        self,
        tenant_id: str | None,
        scopes: frozenset[str],
        *,
        by: str = SYSTEM,
        name: str | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[Document, str]:
        """The document of a new key, and its text: this is the only time it is seen."""
        secret = "scorm_" + secrets.token_urlsafe(32)
        document = {
            "_id": digest(secret),
            "v": VERSION,
            "id": "key_" + random_hex(),
            "tenant_id": tenant_id,
            "scopes": sorted(scopes),
            "name": name,
            "created_at": self._mongo.now(),
            "expires_at": expires_at,
            "last_used_at": None,
        }

        async def work(session: Any) -> None:
            await self._mongo.db.api_keys.insert_one(document, session=session)
            await self._note(session, document, by, "api_key.created")

        await self._mongo.atomically(work)
        return document, secret

    async def page(self, tenant_id: str | None, *, behind: Position | None, limit: int) -> list[Document]:
        """Newest first. Without a tenant, of all of them."""
        query: Document = {"tenant_id": tenant_id} if tenant_id else {}
        query |= window(behind, tie="id")
        index = "tenant" if tenant_id else "all"
        return await newest(self._mongo, "api_keys", query, index=index, limit=limit, tie="id")

    async def delete(self, key_id: str, tenant_id: str | None, by: str = SYSTEM) -> bool:
        """With a tenant, only that tenant's."""
        query = {"id": key_id, "tenant_id": tenant_id} if tenant_id else {"id": key_id}

        async def work(session: Any) -> Document | None:
            document = await self._mongo.db.api_keys.find_one_and_delete(query, session=session)
            if document:
                await self._note(session, document, by, "api_key.revoked")
            return document

        document = await self._mongo.atomically(work)
        if document:
            self._cache.pop(document["_id"], None)
        return document is not None

    async def _note(self, session: Any, key: Document, by: str, action: str) -> None:
        await self._audit.note(session, tenant_id=key["tenant_id"], by=by, action=action, target=key["id"])

    async def identify(self, secret: str | None) -> ApiKey:
        """Raises Refused: UNAUTHORIZED without a key, INVALID_API_KEY, EXPIRED_API_KEY."""
        if not secret:
            raise Refused(401, "UNAUTHORIZED", "an API key is needed, in X-API-Key or Authorization: Bearer")
        return await self.holder(digest(secret))

    async def holder(self, hashed: str) -> ApiKey:
        """As `identify`, by the digest of the key's text, which is all that a session knows of it."""
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
