"""By what parked messages are chosen on the command line."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from services.cli.choice import TIMES, Ids, Since, Until
from services.cli.moments import moment
from shared.broker.parked_choice import ParkedWanted

From = Annotated[str | None, typer.Option("--from", help="That came from this queue: fanout, deliveries.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Whose reason contains this.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="With something of this tenant, where that can be read.")]
Choice = Callable[[], ParkedWanted]
WHEN = f"""

`--since` and `--until` mean when it was parked; a message that does not say when is then left out. {TIMES}

"""


def wanted_by(
    ids: Ids = None,
    came_from: From = None,
    reason: Reason = None,
    tenant: Tenant = None,
    since: Since = None,
    until: Until = None,
) -> ParkedWanted:
    """Raises StartupError, which names the option."""
    now = datetime.now(UTC)
    return ParkedWanted(
        ids=frozenset(ids or ()),
        came_from=came_from,
        reason=reason,
        tenant=tenant,
        since=moment("--since", since, now),
        until=moment("--until", until, now),
    )
