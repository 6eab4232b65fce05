"""Dead letters: what they can be chosen by, and what lists say of each."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StringConstraints

from shared.contracts.event import TenantId
from shared.contracts.history import Narrowing
from shared.contracts.ids import FORMS, WebhookId
from shared.contracts.moment import Shown
from shared.times import iso

DISCARDED = "discarded"
"""The reason of a cancelled delivery that was a dead letter."""

DeliveryId = Annotated[str, StringConstraints(pattern=FORMS["delivery_id"])]
Reason = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]


class DeadLettersWanted(Narrowing):
    """What is left out does not narrow. `ids`: these and no others."""

    ids: tuple[DeliveryId, ...] = Field((), max_length=1_000)
    tenant_id: TenantId | None = None
    webhook_id: WebhookId | None = None
    reason: Reason | None = None

    @property
    def everything(self) -> bool:
        return self == DeadLettersWanted()


class DeadLetter(BaseModel):
    """One in a list, oftener than not with what its last attempt said."""

    id: str
    tenant_id: str
    webhook_id: str
    event: str
    created_at: Shown
    ended_at: Shown
    attempt_count: int
    reason: str | None
    last_error: str | None

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """From the stored document, of which the last attempt is enough."""
        last = document["attempts"][-1] if document["attempts"] else {}
        return cls(
            id=document["_id"],
            tenant_id=document["tenant_id"],
            webhook_id=document["webhook_id"],
            event=document["event"],
            created_at=iso(document["created_at"]),
            ended_at=iso(document["ended_at"]),
            attempt_count=document["attempt_count"],
            reason=document.get("reason"),
            last_error=last.get("detail") or last.get("error"),
        )
