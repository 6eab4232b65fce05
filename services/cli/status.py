"""`status`: the whole site at a glance."""

import asyncio
import sys
from typing import Annotated

import typer

from services.cli.choice import AsJson
from services.cli.readiness import Named, addresses, named
from services.cli.running import DONE, LEFT, run_until_stopped
from services.cli.showing import print_line
from services.cli.site import Site, Watch
from services.cli.site_view import as_dict, tell
from shared import wiring

HELP = """
Show the site at a glance: services, queues, what waits and since when, dead letters, clocks.

Services are asked at the addresses of the settings; `--service` names others, also several copies of one. Counts end at
10,000, of what waits at 2,000 for each span: looking costs the servers little, however much there is.

**Examples**

    python -m services.cli status --watch

    python -m services.cli status --json --service delivery=http://10.0.0.7:8083 --service delivery=http://10.0.0.8:8083

**Exit code**: 0 when all is healthy; 1 when a service is not ready or cannot be reached, a queue of work has no
consumer, something is overdue by a minute, clocks are 10 s apart, or a server is away; 2 for arguments or settings that
cannot be used; 130 after Ctrl-C.
"""
_CLEAR = "\x1b[H\x1b[2J"


def status(
    service: Named = None,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.2, max=3600, metavar="SECONDS", help="With --watch.")] = 2,
    as_json: AsJson = False,
) -> None:
    async def work() -> int:
        mongo, lookout = wiring.mongo(), wiring.lookout("cli")
        watching = Watch(mongo=mongo, lookout=lookout, services=addresses(named(service)))
        try:
            while True:
                site = await watching.look()
                _show(site, as_json=as_json, clear=watch)
                if not watch:
                    return LEFT if any(site.troubles()) else DONE
                await asyncio.sleep(every)
        finally:
            await lookout.stop(0)
            await mongo.stop(0)

    run_until_stopped(work())


def _show(site: Site, *, as_json: bool, clear: bool) -> None:
    """JSON is a line for each look, for who reads them as they come."""
    if as_json:
        print_line(as_dict(site))
    else:
        print(_CLEAR if clear and sys.stdout.isatty() else "", end="")
        tell(site)
    sys.stdout.flush()
