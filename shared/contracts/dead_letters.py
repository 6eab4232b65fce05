"""Dead letters: what they can be chosen by."""

from typing import Annotated

from pydantic import Field, StringConstraints

from shared.contracts.event import TenantId
from shared.contracts.history import Narrowing
from shared.contracts.ids import FORMS, WebhookId

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
