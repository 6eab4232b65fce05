"""An API key: what may be asked for, and what is shown of it. Its text is shown once, when it is made."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.event import TenantId
from shared.contracts.listing import Moment, NextCursor
from shared.contracts.moment import Shown
from shared.times import iso

Scope = Literal["read", "write", "admin"]


class KeyCreate(BaseModel):
    """`POST /api/v1/api-keys`. `admin` holds the other scopes; without `expires_at` the key does not expire."""

    model_config = ConfigDict(extra="forbid")

    tenant_id: TenantId | None = None
    name: str | None = Field(None, max_length=100)
    scopes: list[Scope] = Field(min_length=1, max_length=3)
    expires_at: Moment | None = Field(None, examples=["2099-12-31T23:59:59.000Z"])


class KeyAnswer(BaseModel):
    """A key as the API shows it."""

    id: str
    tenant_id: str
    name: str | None
    scopes: list[str]
    created_at: Shown
    expires_at: Shown | None
    last_used_at: Shown | None = Field(description="to the minute")
    key: str | None = Field(None, description="only in the answer that made it")

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """From the stored document."""

        def moment(name: str) -> str | None:
            found: datetime | None = document.get(name)
            return iso(found) if found else None

        return cls(
            id=document["id"],
            tenant_id=document["tenant_id"],
            name=document.get("name"),
            scopes=document["scopes"],
            created_at=iso(document["created_at"]),
            expires_at=moment("expires_at"),
            last_used_at=moment("last_used_at"),
        )


class KeyPage(BaseModel):
    api_keys: list[KeyAnswer]
    next_cursor: NextCursor
