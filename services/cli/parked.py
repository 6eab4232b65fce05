"""`parked`: AMQP messages that the pipeline could not use."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.choice import CODES, All, AsJson, DryRun, Most, Shown, Yes, need_choice
from services.cli.options import by
from services.cli.pace import Pace
from services.cli.parked_choice import WHEN, Choice, wanted_by
from services.cli.parked_view import as_dict, show_rows, tell, whole, write
from services.cli.parked_work import NAME, ParkedWork, browser, chosen
from services.cli.running import DONE, INTERRUPTED, LEFT, OR_COUNT, complain, need_agreement, run
from services.cli.showing import print_json
from services.cli.tally import Tally, counted
from shared import wiring
from shared.broker.parked import Parked
from shared.broker.parked_choice import ParkedWanted
from shared.errors import StartupError

_NOUN = "parked message"
_ABOUT = """
Messages in RabbitMQ's queue `parked`: those that the pipeline could not use (not JSON, a wrong shape), and those that
were given back to their queue too often.

To look at them they are taken and given back, in their order; meanwhile nobody else sees them. An id is made of a
message's body, origin, message id and time, and stays the same. Messages that are equal in all of that share it: what
is done to the id is done to each.
"""
app = typer.Typer(help=_ABOUT, no_args_is_help=True, rich_markup_mode="markdown")

_LIST = f"""
List parked messages, oldest first, with the count of all that match.{WHEN}
**Example**

    python -m services.cli parked list --from fanout --reason "not JSON"

**Exit code**: 0, also when there are none; 1 when RabbitMQ is away; 2 for arguments or settings that cannot be used;
130 after Ctrl-C.
"""


@app.command("list", help=_LIST)
@by(wanted_by)
def list_(
    choice: Choice,
    limit: Shown = 50,
    as_json: AsJson = False,
) -> None:
    async def work(stopped: asyncio.Event) -> int:
        wanted = choice()
        rows: list[dict[str, Any]] = []
        total = 0
        async with browser() as looking:
            async for group in chosen(looking, wanted, stopped):
                rows += map(as_dict, group[: limit - len(rows)])
                total += len(group)
        if as_json:
            print_json({"matching": total, "parked": rows})
        else:
            show_rows(rows)
            print(f"{len(rows)} of {counted(total, _NOUN)}" if len(rows) < total else counted(total, _NOUN))
        return _end_of_look(stopped)

    run(work)


_SHOW = """
Show one parked message: its headers and its body, which is indented if it is JSON.

Characters that could drive a terminal are shown as escapes. `--raw` writes the body's exact bytes.

**Examples**

    python -m services.cli parked show parked_1f0c… --raw event.json

    python -m services.cli parked retry parked_1f0c… --body event.json

**Exit code**: 0; 1 when there is no such message, or RabbitMQ is away; 2 for arguments or settings that cannot be used;
130 after Ctrl-C.
"""


@app.command("show", help=_SHOW)
def show(
    parked_id: Annotated[str, typer.Argument(metavar="ID")],
    raw: Annotated[
        str | None, typer.Option("--raw", metavar="FILE", help="Write the body's bytes there; - is standard output.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    async def work(stopped: asyncio.Event) -> int:
        equal: list[Parked] = []
        async with browser() as looking:
            async for group in chosen(looking, ParkedWanted(ids=frozenset({parked_id})), stopped):
                equal += group
        if not equal:
            complain(f"there is no parked message {parked_id!r:.80}")
            return _end_of_look(stopped) or LEFT
        if raw:
            write(raw, equal[0].body)
        elif as_json:
            print_json({**whole(equal[0]), "equal": len(equal)})
        else:
            tell(equal)
        return DONE

    run(work)


_RETRY = f"""
Send parked messages again to the queue they came from, oldest first.

A message leaves `parked` only once RabbitMQ has confirmed the new one: dying in between sends it again by the next
retry. What still cannot be used is parked again, as a new message. With one id, `--body` sends a repaired body. Those
that came from no queue of ours are left alone.

What is looked at is held until the end, and RabbitMQ takes back what is held for long (its `consumer_timeout`, 30
minutes): of very many send some at a time, by `--limit`.{WHEN}
**Examples**

    python -m services.cli parked retry --from fanout --since 1h --dry-run

    python -m services.cli parked retry --all --per-second 50
{CODES}"""


@app.command("retry", help=_RETRY)
@by(wanted_by)
def retry(
    choice: Choice,
    limit: Most = None,
    per_second: Annotated[float, typer.Option(min=0.1, max=2_000, help="No more than so many per second.")] = 100,
    body: Annotated[Path | None, typer.Option("--body", help="Send what is in this file instead; for one id.")] = None,
    all_of_them: All = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    async def work(stopped: asyncio.Event) -> int:
        wanted = choice()
        need_choice(everything=wanted.everything, all_of_them=all_of_them)
        repaired = _repaired(body, wanted)
        tally = await _counted(wanted, "retried", stopped, dry_run=dry_run, quiet=as_json)
        publisher = wiring.publisher(NAME)
        try:
            going = ParkedWork(wanted, tally, limit=limit, stopped=stopped)
            await going.retry(publisher, Pace(per_second, time.monotonic), body=repaired)
        finally:
            await publisher.stop(0)
        return tally.show(as_json=as_json)

    run(work)


_DISCARD = f"""
Drop parked messages for good. It asks before it begins, unless `--yes` is given.

With `--save` a copy of each is first appended to a file, a line of JSON with headers and body.{WHEN}
**Example**

    python -m services.cli parked discard --reason "unknown event type" --save parked.jsonl
{CODES}"""


@app.command("discard", help=_DISCARD)
@by(wanted_by)
def discard(
    choice: Choice,
    limit: Most = None,
    save: Annotated[Path | None, typer.Option("--save", help="Append a copy of each to this file first.")] = None,
    all_of_them: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    async def work(stopped: asyncio.Event) -> int:
        wanted = choice()
        need_choice(everything=wanted.everything, all_of_them=all_of_them)
        tally = await _counted(wanted, "discarded", stopped, dry_run=dry_run, quiet=as_json)
        if not (dry_run or yes):
            await need_agreement("Discard them for good?", stopped, instead=OR_COUNT)
        await ParkedWork(wanted, tally, limit=limit, stopped=stopped).discard(save=save)
        return tally.show(as_json=as_json)

    run(work)


async def _counted(wanted: ParkedWanted, verb: str, stopped: asyncio.Event, *, dry_run: bool, quiet: bool) -> Tally:
    """By a look of its own, so that nothing is held while somebody thinks about it."""
    tally = Tally(noun=_NOUN, verb=verb, before=0, dry_run=dry_run)
    missing = set(wanted.ids)
    async with browser() as looking:
        async for group in chosen(looking, wanted, stopped):
            tally.before += len(group)
            missing -= {one.id for one in group}
    tally.stopped = stopped.is_set()
    tally.left_alone.update(f"there is no {parked_id!r:.80}" for parked_id in missing)
    if not quiet:
        tally.announce()
    return tally


def _repaired(file: Path | None, wanted: ParkedWanted) -> bytes | None:
    if file is None:
        return None
    if len(wanted.ids) != 1:
        raise StartupError("--body: one id is needed, of the message that it repairs")
    try:
        return file.read_bytes()
    except OSError as error:
        raise StartupError(f"--body: {file}: {error.strerror}") from None


def _end_of_look(stopped: asyncio.Event) -> int:
    if stopped.is_set():
        complain("stopped before the end of the queue")
        return INTERRUPTED
    return DONE
