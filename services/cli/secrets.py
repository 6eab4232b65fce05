"""`secrets`: the keys that encrypt what is stored, and how one takes the place of another."""

import asyncio
import re
import secrets
from datetime import UTC, datetime
from typing import Annotated

import typer

from services.cli.choice import AsJson
from services.cli.progress import bar
from services.cli.reencryption import Report
from services.cli.running import UNUSABLE, complain, run
from services.cli.showing import print_json
from shared import wiring
from shared.errors import DependencyUnavailable
from shared.store.mongo import misconfigured_if_refused
from shared.store.reencryption import Reencryption
from shared.store.secrets import new_entry

app = typer.Typer(
    help="Keys that encrypt webhooks' secrets and headers.", no_args_is_help=True, rich_markup_mode="markdown"
)

_REENCRYPT = """
Encrypt every stored secret and header value again with the first key of DISPATCHER_SECRET_KEYS.

All services go on serving. What customers change meanwhile is kept, and nothing that they see changes. It may be
stopped at any moment and run again.

**The whole procedure**

1. Make a key: `python -m services.cli secrets new-key`. Put it first in DISPATCHER_SECRET_KEYS of all services, keep
   the old ones behind it, and restart them, the API last: only the API encrypts, and by then all others can decrypt.

2. Run this, with the same DISPATCHER_SECRET_KEYS and DISPATCHER_MONGODB_URL.

3. When it says that 0 are left, drop the old key and restart. Keep a copy of it for as long as you keep backups of
   MongoDB from before.

**Example**

    DISPATCHER_SECRET_KEYS="k2:…,k1:…" python -m services.cli secrets re-encrypt

**Exit code**: 0 when none is left, and of a dry run; 1 when some are; 2 for settings that cannot be used;
130 after Ctrl-C.
"""


@app.command("re-encrypt", help=_REENCRYPT)
def re_encrypt(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is left.")] = False,
    as_json: AsJson = False,
) -> None:
    async def work(stopped: asyncio.Event) -> int:
        report = await _reencrypted(stopped, dry_run=dry_run, quiet=as_json)
        if as_json:
            print_json(report.as_dict())
        else:
            report.tell()
        return report.exit_code

    run(work)


async def _reencrypted(stopped: asyncio.Event, *, dry_run: bool, quiet: bool) -> Report:
    box, mongo = wiring.secret_box(), wiring.mongo()
    reencryption = Reencryption(mongo, box)
    try:
        async with misconfigured_if_refused():
            report = Report(key=box.first, before=await reencryption.left(), dry_run=dry_run)
        if not quiet:
            report.announce()
        if not dry_run:
            await _go_through(reencryption, report, stopped)
        return report
    finally:
        await mongo.stop(0)


async def _go_through(reencryption: Reencryption, report: Report, stopped: asyncio.Event) -> None:
    """Until the end, Ctrl-C, or an outage: in each case the report says how far it came."""
    try:
        with bar() as progress:
            task = progress.add_task("encrypting again", total=report.before)
            async for visited in reencryption.run():
                report.note(visited)
                progress.advance(task, len(visited))
                if stopped.is_set():
                    break
        report.left = await reencryption.left()
    except DependencyUnavailable as error:
        report.failure = str(error)
    report.stopped = stopped.is_set()


_NEW_KEY = """
Print a fresh entry for DISPATCHER_SECRET_KEYS: `id:base64 of 32 bytes`.

It is shown here and nowhere else. What is encrypted with it is lost with it.

**Example**

    python -m services.cli secrets new-key --id k2

**Exit code**: 0; 2 for an id that cannot be used.
"""


@app.command("new-key", help=_NEW_KEY)
def new_key(
    name: Annotated[str, typer.Option("--id", help="By default today's date and some letters.")] = "",
    as_json: AsJson = False,
) -> None:
    if name and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name):
        complain("--id: letters, digits, '.', '_' and '-' are allowed, at most 64 of them")
        raise typer.Exit(UNUSABLE)
    entry = new_entry(name or f"k{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(2)}")
    if as_json:
        print_json({"entry": entry})
    else:
        print(entry)
