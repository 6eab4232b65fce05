"""`dead-letters`: deliveries that nobody will retry by itself."""

import asyncio
import time
from typing import Annotated

import typer

from services.cli.choice import CODES, All, AsJson, DryRun, Most, Shown, Yes, need_choice
from services.cli.dead_letter_choice import WHEN, Choice, wanted_by
from services.cli.dead_letter_view import show_rows
from services.cli.dead_letter_work import DeadLetterWork, Desk, opened
from services.cli.delivery_view import tell
from services.cli.options import by
from services.cli.pace import Pace
from services.cli.running import DONE, LEFT, OR_COUNT, complain, need_agreement, run
from services.cli.showing import print_json
from services.cli.tally import Tally, counted
from shared.contracts.dead_letters import DeadLetter, DeadLettersWanted
from shared.contracts.delivery import DeliveryDetail
from shared.ids import event_key

_NOUN = "dead letter"
_ABOUT = """
Deliveries that nobody will retry by itself: their documents have the status `dead`.

The documents are the truth. RabbitMQ's queue `dead-letters.deliveries` has a copy of some for other systems to consume;
these commands neither read nor change it.
"""
app = typer.Typer(help=_ABOUT, no_args_is_help=True, rich_markup_mode="markdown")

_LIST = f"""
List dead letters, newest first, with the count of all that match.{WHEN}
**Example**

    python -m services.cli dead-letters list --tenant acme --since 2h --answered 5xx

**Exit code**: 0, also when there are none; 1 when MongoDB is away; 2 for arguments or settings that cannot be used.
"""


@app.command("list", help=_LIST)
@by(wanted_by)
def list_(
    choice: Choice,
    limit: Shown = 50,
    as_json: AsJson = False,
) -> None:
    async def work(_: asyncio.Event) -> int:
        wanted = choice()
        async with opened() as desk:
            total = await desk.letters.count(wanted)
            rows = [DeadLetter.of(one).model_dump() for one in await desk.letters.page(wanted, limit)]
        if as_json:
            print_json({"matching": total, "dead_letters": rows})
        else:
            show_rows(rows)
            print(f"{len(rows)} of {counted(total, _NOUN)}" if len(rows) < total else counted(total, _NOUN))
        return DONE

    run(work)


_SHOW = """
Show one delivery with every attempt that is kept, and the body as it is posted.

**Example**

    python -m services.cli dead-letters show delivery_0123456789abcdef

**Exit code**: 0; 1 when there is no such delivery, or MongoDB is away; 2 for settings that cannot be used.
"""


@app.command("show", help=_SHOW)
def show(delivery_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    async def work(_: asyncio.Event) -> int:
        async with opened() as desk:
            detail = await _detail(desk, delivery_id)
        if detail is None:
            complain(f"there is no delivery {delivery_id!r:.80}")
            return LEFT
        if as_json:
            print_json(detail.model_dump())
        else:
            tell(detail.model_dump())
        return DONE

    run(work)


_RETRY = f"""
Send dead letters again: each begins a new round of attempts, due now, oldest first.

A webhook that was deleted or is inactive would let them die again: those are left alone and counted by their webhook,
unless `--force` is given. So are those whose event is no longer kept, always.{WHEN}
**Examples**

    python -m services.cli dead-letters retry --webhook webhook_1 --since 1d --dry-run

    python -m services.cli dead-letters retry --reason attempts_exhausted --answered 503 --per-second 50
{CODES}"""


@app.command("retry", help=_RETRY)
@by(wanted_by)
def retry(
    choice: Choice,
    limit: Most = None,
    per_second: Annotated[float, typer.Option(min=0.1, max=2_000, help="No more than so many per second.")] = 20,
    force: Annotated[bool, typer.Option("--force", help="Also of webhooks that are deleted or inactive.")] = False,
    all_of_them: All = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    async def work(stopped: asyncio.Event) -> int:
        wanted = choice()
        need_choice(everything=wanted.everything, all_of_them=all_of_them)
        async with opened() as desk:
            tally = await _counted(desk, wanted, "retried", dry_run=dry_run, quiet=as_json)
            going = DeadLetterWork(desk, wanted, tally, limit=limit, stopped=stopped)
            await going.retry(Pace(per_second, time.monotonic), force=force)
        return tally.show(as_json=as_json)

    run(work)


_DISCARD = f"""
Give dead letters up: they end as `cancelled`, reason `discarded`, and no longer count as dead letters.

They stay in the history as long as they would have. It asks before it begins, unless `--yes` is given.{WHEN}
**Example**

    python -m services.cli dead-letters discard --tenant acme --reason webhook_inactive --yes
{CODES}"""


@app.command("discard", help=_DISCARD)
@by(wanted_by)
def discard(
    choice: Choice,
    limit: Most = None,
    all_of_them: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    async def work(stopped: asyncio.Event) -> int:
        wanted = choice()
        need_choice(everything=wanted.everything, all_of_them=all_of_them)
        async with opened() as desk:
            tally = await _counted(desk, wanted, "discarded", dry_run=dry_run, quiet=as_json)
            if not (dry_run or yes):
                await need_agreement("Discard them?", stopped, instead=OR_COUNT)
            await DeadLetterWork(desk, wanted, tally, limit=limit, stopped=stopped).discard()
        return tally.show(as_json=as_json)

    run(work)


async def _counted(desk: Desk, wanted: DeadLettersWanted, verb: str, *, dry_run: bool, quiet: bool) -> Tally:
    tally = Tally(noun=_NOUN, verb=verb, before=await desk.letters.count(wanted), dry_run=dry_run)
    if not quiet:
        tally.announce()
    return tally


async def _detail(desk: Desk, delivery_id: str) -> DeliveryDetail | None:
    document = (await desk.deliveries.get([delivery_id])).get(delivery_id)
    if document is None:
        return None
    key = event_key(document["tenant_id"], document["event_id"])
    event = (await desk.events.get([key])).get(key)
    return DeliveryDetail.with_body(document, event.payload(delivery_id) if event else None)
