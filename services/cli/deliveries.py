"""`deliveries`: what was sent to webhooks, what waits, and what came of it."""

from typing import Annotated

import typer

from services.cli.asking import asks
from services.cli.choice import AsJson, DryRun, Ids, Shown, Tenant, Webhook, Yes
from services.cli.client import Client, path
from services.cli.delivery_view import COLUMNS, tell
from services.cli.each import each
from services.cli.history_choice import WHEN, Narrowed, narrowed
from services.cli.listing import show_rows
from services.cli.options import by
from services.cli.running import DONE, OR_COUNT, Interrupted, need_agreement
from services.cli.tally import Tally
from shared.contracts.delivery import Status
from shared.contracts.history import LiveStatus
from shared.errors import DispatcherError, StartupError

app = typer.Typer(
    help="What was sent to webhooks, what waits, and what came of it. Many are sent again by `replay`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_LIST = f"""
List deliveries, newest first. With the operator's key `--tenant` or `--webhook` is needed; those of a webhook that was
deleted are found by `--tenant`, also beside `--webhook`.{WHEN}
**Example**

    python -m services.cli deliveries list --webhook webhook_0123456789abcdef --status dead --answered 5xx --since 2h
"""


@asks(app, "list", _LIST)
@by(narrowed)
async def list_(
    narrowing: Narrowed,
    api: Client,
    tenant: Tenant = None,
    webhook: Webhook = None,
    status: Annotated[Status | None, typer.Option("--status", help="Of this status.")] = None,
    limit: Shown = 50,
    as_json: AsJson = False,
) -> int:
    query = {**narrowing(), "status": status}
    if webhook and not tenant:
        found = await api.rows(path("webhooks", webhook, "deliveries"), "deliveries", limit, **query)
    else:
        found = await api.rows(path("deliveries"), "deliveries", limit, tenant_id=tenant, webhook_id=webhook, **query)
    return show_rows(found, name="deliveries", noun="delivery", columns=COLUMNS, as_json=as_json)


_SHOW = """
Show one delivery: every attempt that is kept, the start of each answer, and the body as it is posted.

**Example**

    python -m services.cli deliveries show delivery_0123456789abcdef
"""


@asks(app, "show", _SHOW)
async def show(api: Client, delivery_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> int:
    found = await api.get(path("deliveries", delivery_id))
    if as_json:
        print(found.indented)
    else:
        tell(found.json)
    return DONE


_RETRY = """
Attempt deliveries now. What waits does not wait any longer; what ended, also well, is sent again in a new round.

**Example**

    python -m services.cli deliveries retry delivery_0123456789abcdef
"""


@asks(app, "retry", _RETRY)
async def retry(api: Client, ids: Annotated[list[str], typer.Argument(metavar="ID")], as_json: AsJson = False) -> int:
    async def act(delivery_id: str) -> None:
        await api.change("POST", path("deliveries", delivery_id, "retry"))

    return await each(ids, act, "retried", as_json=as_json)


_CANCEL = f"""
Make no further attempt: of the deliveries that are named, or of all of a webhook that have not ended and match.

A request under way may still arrive, and counts if it succeeds. It asks before it begins, unless `--yes` is
given.{WHEN}
**Examples**

    python -m services.cli deliveries cancel delivery_0123456789abcdef --yes

    python -m services.cli deliveries cancel --webhook webhook_0123456789abcdef --status waiting --dry-run
"""


@asks(app, "cancel", _CANCEL)
@by(narrowed)
async def cancel(
    narrowing: Narrowed,
    api: Client,
    ids: Ids = None,
    webhook: Webhook = None,
    status: Annotated[LiveStatus | None, typer.Option("--status", help="Of this status.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    wanted = {**narrowing(), **({"status": status.value} if status else {})}
    if bool(ids) == bool(webhook) or (ids and (wanted or dry_run)):
        raise StartupError("name deliveries, or say --webhook and by what they are chosen")
    if webhook:
        tally = await _counted(api, webhook, wanted, dry_run=dry_run, quiet=as_json)
        if not (dry_run or yes):
            await need_agreement("Cancel them?", api.stopped, instead=OR_COUNT)
        await _cancel_many(api, webhook, wanted, tally)
        return tally.show(as_json=as_json)
    if not yes:
        await need_agreement(f"Cancel {', '.join(ids or ())}?", api.stopped)

    async def act(delivery_id: str) -> None:
        await api.change("POST", path("deliveries", delivery_id, "cancel"))

    return await each(ids or (), act, "cancelled", as_json=as_json)


async def _counted(api: Client, webhook: str, wanted: dict[str, str], *, dry_run: bool, quiet: bool) -> Tally:
    counted = await api.change("POST", _cancelling(webhook), {**wanted, "dry_run": True})
    before = counted.json["cancelled"]
    tally = Tally(noun="delivery", verb="cancelled", before=before, dry_run=dry_run, done=before if dry_run else 0)
    if not quiet:
        tally.announce()
    return tally


async def _cancel_many(api: Client, webhook: str, wanted: dict[str, str], tally: Tally) -> None:
    """Request by request until there are no more: in each case the tally says how far it came."""
    more = not tally.dry_run
    try:
        while more:
            answer = (await api.change("POST", _cancelling(webhook), wanted)).json
            tally.done, more = tally.done + answer["cancelled"], answer["more"]
        tally.left = tally.before if tally.dry_run else 0
    except Interrupted:
        tally.stopped = True
    except DispatcherError as error:
        tally.failure = str(error)


def _cancelling(webhook: str) -> str:
    return path("webhooks", webhook, "deliveries", "cancel")
