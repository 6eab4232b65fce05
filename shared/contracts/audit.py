"""The audit log as a tenant's admin reads it."""

from typing import Any, Self

from pydantic import BaseModel, Field

from shared.contracts.listing import NextCursor
from shared.contracts.moment import Shown
from shared.times import iso


class AuditEntry(BaseModel):
    """One change: which fields, never their values."""

    id: str
    tenant_id: str | None
    at: Shown
    by: str = Field(description="id of the API key; `operator` for the operator's, `system` for the dispatcher itself")
    action: str = Field(examples=["webhook.changed", "api_key.revoked"])
    target: str = Field(description="id of what was changed")
    fields: list[str]

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        named = {name: document[name] for name in ("tenant_id", "by", "action", "target", "fields")}
        return cls(id=document["_id"], at=iso(document["created_at"]), **named)


class AuditPage(BaseModel):
    entries: list[AuditEntry]
    next_cursor: NextCursor
