"""What admins may do with API keys; HTTP is in `routes`."""

from collections.abc import Callable
from datetime import datetime

from services.api.listing import next_cursor
from shared.contracts.audit import AuditEntry, AuditPage
from shared.contracts.key import KeyAnswer, KeyCreate, KeyPage
from shared.contracts.listing import Position, TenantListing
from shared.errors import Refused
from shared.store.audit import Audit
from shared.store.keys import ApiKey, Keys


class KeyService:
    """A tenant's admin sees and makes its own tenant's keys, the operator every tenant's."""

    def __init__(self, *, keys: Keys, audit: Audit, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._audit = audit
        self._clock = clock

    async def create(self, key: ApiKey, wanted: KeyCreate) -> KeyAnswer:
        """With its text: this is the only time that anyone sees it."""
        tenant_id = key.tenant(wanted.tenant_id)
        if wanted.expires_at and wanted.expires_at <= self._clock():
            raise Refused(400, "INVALID_REQUEST", "expires_at: lies in the past", field="expires_at")
        document, secret = await self._keys.create(
            tenant_id, frozenset(wanted.scopes), by=key.id, name=wanted.name, expires_at=wanted.expires_at
        )
        made = KeyAnswer.of(document)
        made.key = secret
        return made

    async def page(self, key: ApiKey, wanted: TenantListing) -> KeyPage:
        tenant = key.tenant_or_all(wanted.tenant_id)
        found = await self._keys.page(tenant, behind=wanted.behind, limit=wanted.limit + 1)
        following = next_cursor([Position(one["created_at"], one["id"]) for one in found], wanted.limit)
        return KeyPage(api_keys=[KeyAnswer.of(one) for one in found[: wanted.limit]], next_cursor=following)

    async def audit(self, key: ApiKey, wanted: TenantListing) -> AuditPage:
        found = await self._audit.page(key.tenant(wanted.tenant_id), wanted.behind, wanted.limit + 1)
        following = next_cursor([Position(one["created_at"], one["_id"]) for one in found], wanted.limit)
        return AuditPage(entries=[AuditEntry.of(one) for one in found[: wanted.limit]], next_cursor=following)

    async def revoke(self, key: ApiKey, key_id: str) -> None:
        if not await self._keys.delete(key_id, key.tenant_id, key.id):
            raise Refused(404, "INVALID_REQUEST", f"there is no API key {key_id!r:.60}")
