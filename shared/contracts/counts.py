"""What became of some deliveries, without their latencies: little enough to be read of many webhooks at once."""

from dataclasses import dataclass
from typing import Any, Self

from shared.contracts.delivery import Status


@dataclass(frozen=True, slots=True)
class Counts:
    """By status. They add up."""

    succeeded: int = 0
    dead: int = 0
    cancelled: int = 0
    folded: int = 0
    waiting: int = 0
    pending: int = 0

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        return cls(**{status.value: document[status] for status in Status})

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def created(self) -> int:
        return sum(getattr(self, name) for name in self.__slots__)

    @property
    def under_way(self) -> int:
        """Not ended: waiting for an attempt, or being delivered."""
        return self.waiting + self.pending

    @property
    def decided(self) -> int:
        """Those that a success rate is of."""
        return self.succeeded + self.dead
