"""Which parked messages somebody means."""

from dataclasses import dataclass, field
from datetime import datetime

from shared.broker.parked import Parked


@dataclass(frozen=True, kw_only=True)
class ParkedWanted:
    """What is left out does not narrow. `reason`: contains it, in whatever case."""

    ids: frozenset[str] = field(default=frozenset())
    came_from: str | None = None
    reason: str | None = None
    tenant: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def everything(self) -> bool:
        return self == ParkedWanted()

    def takes(self, one: Parked) -> bool:
        return (
            (not self.ids or one.id in self.ids)
            and self.came_from in (None, one.came_from)
            and (self.reason is None or self.reason.lower() in (one.reason or "").lower())
            and (self.tenant is None or self.tenant in one.tenants)
            and (self.since is None or (one.at is not None and one.at >= self.since))
            and (self.until is None or (one.at is not None and one.at < self.until))
        )
