"""The unit that statistics are counted by."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from shared.times import EPOCH

MINUTE = timedelta(minutes=1)


class Cell(NamedTuple):
    """The deliveries of one tenant that were made in one minute. A delivery never moves to another."""

    tenant_id: str
    minute: int  # since the epoch

    @classmethod
    def of(cls, tenant_id: str, created_at: datetime) -> Self:
        """`created_at`: the delivery's, as it is in its document."""
        return cls(tenant_id, (created_at - EPOCH) // MINUTE)

    @classmethod
    def of_document(cls, delivery: dict[str, Any]) -> Self:
        return cls.of(delivery["tenant_id"], delivery["created_at"])

    @property
    def begins(self) -> datetime:
        return EPOCH + self.minute * MINUTE

    @property
    def hour(self) -> datetime:
        return self.begins.replace(minute=0)
