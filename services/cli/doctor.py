"""`doctor`: what is wrong with this site, and what to do about it."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from services.cli.checks.finding import Finding, State
from services.cli.choice import AsJson
from services.cli.diagnosis import checks, diagnose
from services.cli.readiness import Overrides, addresses
from services.cli.running import DONE, INTERRUPTED, LEFT, run
from services.cli.showing import print_json
from shared.errors import StartupError
from shared.readable import printable

HELP = """
Check settings, secret keys, RabbitMQ, MongoDB, clocks, name servers, certificates, and services.

Each check is one line: `ok`, `warning` or `failed`, what was found, and behind an arrow what to do. All checks are
made, whatever fails; what cannot be judged without something that failed is `not checked`. Nothing is changed.
Run it where the services run, with their settings.

**Examples**

    python -m services.cli doctor

    python -m services.cli doctor --service delivery=http://10.0.0.7:8083 --json

**Exit code**: 0 when nothing failed, whatever the warnings; 1 when something did; 2 for arguments that cannot be used;
130 after Ctrl-C.
"""


def doctor(
    service: Overrides = None,
    name: Annotated[str, typer.Option(help="Name servers are asked for this one.")] = "example.com",
    as_json: AsJson = False,
) -> None:
    async def work(stopped: asyncio.Event) -> int:
        _need_addresses(service)
        checking = asyncio.ensure_future(diagnose(checks(name=name, overrides=service)))
        interrupted = asyncio.ensure_future(stopped.wait())
        await asyncio.wait([checking, interrupted], return_when=asyncio.FIRST_COMPLETED)
        interrupted.cancel()
        if not checking.done():
            checking.cancel()
            return INTERRUPTED
        return _show(checking.result(), as_json=as_json)

    run(work)


def _need_addresses(overrides: list[str] | None) -> None:
    """Arguments that cannot be used end the command; settings that cannot are what it is for."""
    try:
        addresses(overrides)
    except StartupError as error:
        if str(error).startswith("--"):
            raise


def _show(findings: list[Finding], *, as_json: bool) -> int:
    counts = Counter(finding.state for finding in findings)
    if as_json:
        found = [_as_dict(one) for one in findings]
        print_json({"findings": found, "counts": {state.value: counts[state] for state in State}})
    else:
        for line in _lines(findings):
            print(printable(line))
        print(", ".join(f"{counts[state]} {state}" for state in State if counts[state]))
    return LEFT if counts[State.FAILED] else DONE


def _as_dict(one: Finding) -> dict[str, Any]:
    return {"check": one.check, "state": one.state, "found": one.found, "remedy": one.remedy}


def _lines(findings: Iterable[Finding]) -> Iterable[str]:
    for one in findings:
        remedy = f" → {one.remedy}" if one.remedy else ""
        yield f"{one.state:<11}  {one.check}: {one.found}{remedy}"
