"""By what dead letters are chosen on the command line."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from services.cli.choice import TIMES
from services.cli.moments import moment
from shared.contracts.dead_letters import DeadLettersWanted
from shared.errors import StartupError

Tenant = Annotated[str | None, typer.Option("--tenant", help="Of this tenant.")]
Webhook = Annotated[str | None, typer.Option("--webhook", help="Of this webhook.")]
EventType = Annotated[str | None, typer.Option("--event-type", help="Of this event type.")]
Reason = Annotated[
    str | None,
    typer.Option(
        "--reason",
        help="Why it is dead: attempts_exhausted, expired, gone, webhook_inactive, internal or event_missing.",
    ),
]
Answered = Annotated[
    str | None,
    typer.Option("--answered", "--error", help="The last answer: 503, 5xx, or what kept one from coming: timeout."),
]
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
    ids: list[str] | None,
    tenant: str | None,
    webhook: str | None,
    event_type: str | None,
    reason: str | None,
    answered: str | None,
    since: str | None,
    until: str | None,
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
