"""`load`: publishes made-up events, to see what a site does with them."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

import typer
from yarl import URL

from services.cli.choice import AsJson
from services.cli.load_events import Template
from services.cli.load_senders import Send, http_session, over_amqp, over_http
from services.cli.load_work import Load, LoadWork
from services.cli.readiness import Address, Health, addresses, ask
from services.cli.running import complain, run
from services.cli.showing import print_json
from shared import wiring
from shared.contracts.event import parse
from shared.contracts.event_types import GUIDE_TYPES
from shared.errors import DependencyUnavailable, InvalidMessage, StartupError
from shared.settings import ApiSettings
from shared.settings import load as load_settings

HELP = """
Publish made-up events of one tenant at a pace: the guide's examples, of so many sessions in turn.

They are real events: the tenant's webhooks get them, so take a tenant of your own. Each is confirmed, by RabbitMQ or
with `--http` by ingest; while nothing is, this waits and tries the same events again, which have an `event_id` each.

**Examples**

    python -m services.cli load 1000 --tenant load-test --per-second 50 --event session.progress --sessions 20

    python -m services.cli load 500 --tenant load-test --http

**Exit code**: 0 when all are confirmed; 1 when ingest refused one, or a server is away at the start; 2 for
arguments or settings that cannot be used; 130 after Ctrl-C, which tells how many were confirmed.
"""
_LONGEST = timedelta(days=1)

Count = Annotated[int, typer.Argument(metavar="COUNT", min=1, max=1_000_000, help="So many events.")]
Tenant = Annotated[str, typer.Option("--tenant", help="Whose events: its webhooks get them.")]
PerSecond = Annotated[float, typer.Option("--per-second", min=0.1, max=5_000, help="So many per second.")]
EventType = Annotated[str, typer.Option("--event", help="Their type.")]
Sessions = Annotated[int, typer.Option("--sessions", min=1, max=1_000_000, help="Of so many sessions, in turn.")]
Http = Annotated[bool, typer.Option("--http", help="Through ingest, with DISPATCHER_ADMIN_KEY.")]
Ingest = Annotated[str | None, typer.Option("--ingest-url", metavar="URL", help="If not where the settings say.")]


def load(
    count: Count,
    tenant: Tenant,
    per_second: PerSecond = 50,
    event_type: EventType = "session.progress",
    sessions: Sessions = 20,
    http: Http = False,
    ingest_url: Ingest = None,
    as_json: AsJson = False,
) -> None:
    async def work(stopped: asyncio.Event) -> int:
        template = Template(run=secrets.token_hex(4), event_type=event_type, tenant=tenant, sessions=sessions)
        _need_usable(template, count, per_second)
        result = Load(wanted=count)
        async with _sender(event_type, _ingest(ingest_url) if http else None) as send:
            make = partial(_made_now, template)
            await LoadWork(result, make=make, send=send, stopped=stopped).run(per_second)
        _show(template.run, result, as_json=as_json)
        return result.exit_code

    run(work)


def _made_now(template: Template, number: int) -> bytes:
    return template.event(number, datetime.now(UTC))


def _need_usable(template: Template, count: int, per_second: float) -> None:
    """Raises StartupError."""
    if template.event_type not in GUIDE_TYPES:
        raise StartupError(f"--event: {template.event_type!r:.60} is none of {', '.join(GUIDE_TYPES)}")
    if count / per_second > _LONGEST.total_seconds():
        raise StartupError(f"{count} events at {per_second:g} per second take more than a day")
    try:
        parse(_made_now(template, 0), now=datetime.now(UTC))
    except InvalidMessage as error:
        raise StartupError(f"--tenant: {error}") from None


def _ingest(given: str | None) -> URL:
    """Raises StartupError."""
    overrides = [f"ingest={given}"] if given else None
    url = next(one.url for one in addresses(overrides) if one.service == "ingest")
    if url is None:
        raise StartupError("ingest takes a free port: say where it is with --ingest-url")
    return url


@asynccontextmanager
async def _sender(event_type: str, ingest: URL | None) -> AsyncIterator[Send]:
    """Raises DependencyUnavailable when it is away already: then there is nothing to wait for."""
    if ingest is None:
        publisher = wiring.publisher("cli load")
        try:
            await publisher.check()
            yield over_amqp(publisher, event_type)
        finally:
            await publisher.stop(0)
        return
    [ready] = await ask([Address("ingest", ingest)])
    if ready.health is not Health.READY:
        raise DependencyUnavailable(f"ingest at {ingest} is {ready.health}: {ready.detail}")
    async with http_session(load_settings(ApiSettings).admin_key.get_secret_value()) as session:
        yield over_http(session, ingest)


def _show(name: str, result: Load, *, as_json: bool) -> None:
    told = result.as_dict()
    if as_json:
        print_json({"run": name, **told})
        return
    if result.failure:
        complain(result.failure)
    times = ", ".join(f"{share} {ms} ms" for share, ms in told["confirm_ms"].items() if ms is not None)
    print(f"{result.confirmed} of {result.wanted} confirmed in {result.seconds:.1f} s; {times or 'no times'}")
    if told["unknown"]:
        print(f"{told['unknown']} more may have arrived")
    print(f"their event ids begin with load_{name}_")
