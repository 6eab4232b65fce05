"""What admins may do with API keys; HTTP is in `routes`."""

from collections.abc import Callable
from datetime import datetime

from shared.contracts.key import KeyAnswer, KeyCreate
from shared.errors import Refused
from shared.store.keys import ApiKey, Keys


class KeyService:
    """A tenant's admin sees and makes its own tenant's keys, the operator every tenant's."""

    def __init__(self, *, keys: Keys, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._clock = clock

    async def create(self, key: ApiKey, wanted: KeyCreate) -> tuple[KeyAnswer, str]:
        """The key, and its text: this is the only time that anyone sees it."""
        tenant_id = key.tenant(wanted.tenant_id)
        if wanted.expires_at and wanted.expires_at <= self._clock():
            raise Refused(400, "INVALID_REQUEST", "expires_at: lies in the past", field="expires_at")
        document, secret = await self._keys.create(
            tenant_id, frozenset(wanted.scopes), name=wanted.name, expires_at=wanted.expires_at
        )
        return KeyAnswer.of(document), secret

    async def page(self, key: ApiKey, tenant_id: str | None, after: str | None, limit: int) -> list[KeyAnswer]:
        tenant = key.tenant(tenant_id) if tenant_id or key.tenant_id else None
        return [KeyAnswer.of(document) for document in await self._keys.page(tenant, after=after, limit=limit)]

    async def revoke(self, key: ApiKey, key_id: str) -> None:
        if not await self._keys.delete(key_id, key.tenant_id):
            raise Refused(404, "INVALID_REQUEST", f"there is no API key {key_id!r:.60}")
