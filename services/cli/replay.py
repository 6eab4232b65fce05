"""`replay`: a window of deliveries once more, as a job that can be watched and cancelled."""

from typing import Annotated

import typer

from services.cli.asking import asks
from services.cli.choice import TIMES, AsJson, EventType, Shown, Until
from services.cli.client import Answer, Client, path
from services.cli.history_choice import window
from services.cli.listing import Column, show_one, show_rows
from services.cli.pace import pause
from services.cli.progress import bar
from services.cli.running import DONE, LEFT, Interrupted
from services.cli.tally import counted
from services.cli.webhook_choice import WebhookGiven
from shared.contracts.replay import Which

app = typer.Typer(
    help="A window of a webhook's deliveries once more, as a job that can be watched and cancelled.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
_LOOK_SECONDS = 0.5
_COLUMNS: dict[str, Column] = {
    "id": "id",
    "which": "which",
    "since": "since",
    "until": "until",
    "event": "event_type",
    "per second": "per_second",
    "status": "status",
    "sent": "sent",
    "total": "total",
    "begun": "created_at",
}
ReplayGiven = Annotated[str, typer.Argument(metavar="ID")]
Wait = Annotated[bool, typer.Option("--wait", help="Until it has ended; with 0 if all was sent.")]

_START = f"""
Send the deliveries of a window again: each gets a new round, once, no faster than `--per-second`.

The job goes on by itself, also after a crash, and when this command is stopped: `replay cancel` ends it.

`--since` and `--until` mean when the delivery was made. {TIMES}

**Examples**

    python -m services.cli replay start webhook_0123456789abcdef --since 2025-01-15T08:00:00Z --dry-run

    python -m services.cli replay start webhook_0123456789abcdef --since 4h --per-second 20 --wait
"""


@asks(app, "start", _START)
async def start(
    api: Client,
    webhook_id: WebhookGiven,
    since: Annotated[str, typer.Option(metavar="WHEN", help="At this moment or later: 2025-01-15T10:30:00Z, 2h.")],
    until: Until = None,
    which: Annotated[Which, typer.Option(help="What ended dead, or also what succeeded or was cancelled.")] = "failed",
    event_type: EventType = None,
    per_second: Annotated[int, typer.Option(help="So many are sent per second at most.")] = 50,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> int:
    wanted = {"which": which, **window(since, until), "event_type": event_type, "per_second": per_second}
    begun = await api.change("POST", path("webhooks", webhook_id, "replay"), {**wanted, "dry_run": dry_run})
    if dry_run and not as_json:
        print(f"dry run: {counted(begun.json['total'], 'delivery')} would be sent again")
        return DONE
    return await _watched(api, begun, as_json=as_json) if wait and not dry_run else show_one(begun, as_json=as_json)


_SHOW = """
Show how far a replay has come.

**Example**

    python -m services.cli replay show replay_0123456789abcdef --wait
"""


@asks(app, "show", _SHOW)
async def show(api: Client, replay_id: ReplayGiven, wait: Wait = False, as_json: AsJson = False) -> int:
    found = await api.get(path("replays", replay_id))
    return await _watched(api, found, as_json=as_json) if wait else show_one(found, as_json=as_json)


_LIST = """
List the replays of a webhook, newest first.

**Example**

    python -m services.cli replay list webhook_0123456789abcdef
"""


@asks(app, "list", _LIST)
async def list_(api: Client, webhook_id: WebhookGiven, limit: Shown = 50, as_json: AsJson = False) -> int:
    found = await api.rows(path("webhooks", webhook_id, "replays"), "replays", limit)
    return show_rows(found, name="replays", noun="replay", columns=_COLUMNS, as_json=as_json)


_CANCEL = """
Cancel a replay. What was given a new round is attempted; nothing more is. One that has ended stays as it ended.

**Example**

    python -m services.cli replay cancel replay_0123456789abcdef
"""


@asks(app, "cancel", _CANCEL)
async def cancel(api: Client, replay_id: ReplayGiven, as_json: AsJson = False) -> int:
    return show_one(await api.change("DELETE", path("replays", replay_id)), as_json=as_json)


async def _watched(api: Client, replay: Answer, *, as_json: bool) -> int:
    """Shows the end of it."""
    replay_id, told = replay.json["id"], "`replay show` tells how far it is, `replay cancel` ends it"
    with bar() as progress:
        task = progress.add_task("sent again", total=replay.json["total"])
        try:
            while replay.json["status"] == "running":
                progress.update(task, completed=replay.json["sent"])
                await pause(_LOOK_SECONDS, api.stopped)
                replay = await api.get(path("replays", replay_id))
        except Interrupted:
            raise Interrupted(f"{replay_id} goes on: {told}") from None
    show_one(replay, as_json=as_json)
    return DONE if replay.json["status"] == "done" else LEFT
