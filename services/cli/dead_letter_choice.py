"""By what dead letters are chosen on the command line."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from services.cli.choice import TIMES, Answered, EventType, Ids, Since, Tenant, Until, Webhook
from services.cli.moments import moment
from shared.contracts.dead_letters import DeadLettersWanted
from shared.errors import StartupError

Reason = Annotated[
    str | None,
    typer.Option(
        "--reason",
        help="Why it is dead: attempts_exhausted, expired, gone, webhook_inactive, internal or event_missing.",
    ),
]
Choice = Callable[[], DeadLettersWanted]
_OPTIONS = {
    "ids": "ID",
    "tenant_id": "--tenant",
    "webhook_id": "--webhook",
    "event_type": "--event-type",
    "reason": "--reason",
    "response_status": "--answered",
}
WHEN = f"\n\n`--since` and `--until` mean when the delivery was made. {TIMES}\n\n"


def wanted_by(
    ids: Ids = None,
    tenant: Tenant = None,
    webhook: Webhook = None,
    event_type: EventType = None,
    reason: Reason = None,
    answered: Answered = None,
    since: Since = None,
    until: Until = None,
) -> DeadLettersWanted:
    """Raises StartupError, which names the option."""
    now = datetime.now(UTC)
    try:
        return DeadLettersWanted(
            ids=tuple(ids or ()),
            tenant_id=tenant,
            webhook_id=webhook,
            event_type=event_type,
            reason=reason,
            response_status=answered,
            since=moment("--since", since, now),
            until=moment("--until", until, now),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise StartupError(f"{_OPTIONS[str(first['loc'][0])]}: {first['msg']}") from None
