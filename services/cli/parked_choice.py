"""By what parked messages are chosen on the command line."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Self

import typer

from services.cli.choice import TIMES
from services.cli.moments import moment
from shared.broker.parked import Parked

From = Annotated[str | None, typer.Option("--from", help="That came from this queue: fanout, deliveries.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Whose reason contains this.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="With something of this tenant, where that can be read.")]
WHEN = f"""

`--since` and `--until` mean when it was parked; a message that does not say when is then left out. {TIMES}

"""


@dataclass(frozen=True, kw_only=True)
class ParkedWanted:
    """What is left out does not narrow."""

    ids: frozenset[str] = field(default=frozenset())
    came_from: str | None = None
    reason: str | None = None
    tenant: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def by(
        cls,
        ids: list[str] | None,
        came_from: str | None,
        reason: str | None,
        tenant: str | None,
        since: str | None,
        until: str | None,
    ) -> Self:
        """From the command line. Raises StartupError, which names the option."""
        now = datetime.now(UTC)
        return cls(
            ids=frozenset(ids or ()),
            came_from=came_from,
            reason=reason,
            tenant=tenant,
            since=moment("--since", since, now),
            until=moment("--until", until, now),
        )

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
