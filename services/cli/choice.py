"""Options that commands about several things share, and what is asked for by them."""

from pathlib import Path
from typing import Annotated

import typer

from shared.errors import StartupError

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="These only.", show_default=False)]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Of this tenant.")]
Webhook = Annotated[str | None, typer.Option("--webhook", help="Of this webhook.")]
EventType = Annotated[str | None, typer.Option("--event-type", help="Of this event type.")]
Answered = Annotated[
    str | None,
    typer.Option("--answered", "--error", help="The last answer: 503, 5xx, or what kept one from coming: timeout."),
]
Since = Annotated[str | None, typer.Option(metavar="WHEN", help="At this moment or later: 2025-01-15T10:30:00Z, 2h.")]
Until = Annotated[str | None, typer.Option(metavar="WHEN", help="Before this moment.")]
Shown = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Show at most so many.")]
Most = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many, oldest first.")]
All = Annotated[bool, typer.Option("--all", help="Needed to mean all there are, of every tenant.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="File with the API key, before DISPATCHER_API_KEY and _ADMIN_KEY.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

TIMES = "Times are as in the API (`2025-01-15T10:30:00Z`), or how long ago: `90s`, `30m`, `2h`, `3d`, `1w`."
CODES = """
**Exit code**: 0 when all that was asked for is done, and of a dry run; 1 when some was left alone, or RabbitMQ or
MongoDB is away; 2 for arguments or settings that cannot be used; 130 after Ctrl-C, which ends it after the step under
way. In every case it says how far it came, and may be run again for the rest.
"""


def need_choice(*, everything: bool, all_of_them: bool) -> None:
    """So that nobody means all by leaving something out. Raises StartupError."""
    if everything and not all_of_them:
        raise StartupError("this would be all there are, of every tenant: choose some, or say --all")
    if all_of_them and not everything:
        raise StartupError("--all means every one: leave out either it or what chooses some")
