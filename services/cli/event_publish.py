"""`events publish`: from arguments, a file or standard input."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from services.cli.asking import asks
from services.cli.choice import AsJson, Tenant
from services.cli.client import Client
from services.cli.inputs import json_given, read_file, standard_input
from services.cli.options import by
from services.cli.publication import taken_apart
from services.cli.publishing import Publishing
from services.cli.running import unless_stopped
from shared.contracts.event import MAX_BATCH_EVENTS
from shared.errors import StartupError

app = typer.Typer()

_PUBLISH = """
Publish events. What is accepted is on the disks of a majority.

They come from a file, from standard input (`-`) or, one, from `--event` and `--data`. A file holds a JSON array, one
event, or an event on each line, and is read whole before anything is sent. An event is as in the API: `event`,
`tenant_id`, `data`, and if wanted `timestamp` and `event_id`.

They are sent in batches, in their order. What is refused is told with its place, and the others go on. Each batch has a
key of its own, made of `--idempotency-key`: run again with the same key and the same events, nothing is repeated.

**Examples**

    python -m services.cli events publish --tenant acme --event session.created \\
        --data '{"session_id": "s1", "package_id": "p1", "user_id": "u1"}'

    python -m services.cli events publish events.jsonl --idempotency-key import-7

    producer | python -m services.cli events publish - --json
"""


def _one(
    event: Annotated[str | None, typer.Option("--event", metavar="TYPE", help="Of one event.")] = None,
    tenant: Tenant = None,
    data: Annotated[str | None, typer.Option("--data", metavar="JSON", help="Of one event; or @FILE.")] = None,
    timestamp: Annotated[str | None, typer.Option("--timestamp", help="By default now.")] = None,
    event_id: Annotated[str | None, typer.Option("--event-id", help="A repeat of it is harmless.")] = None,
) -> bytes | None:
    """The event of the arguments, if there is one. Raises StartupError."""
    given = {"event": event, "tenant_id": tenant, "data": json_given("--data", data)}
    given |= {"timestamp": timestamp, "event_id": event_id}
    said = {name: value for name, value in given.items() if value is not None}
    return msgspec.json.encode(said) if said else None


@asks(app, "publish", _PUBLISH, of="ingest")
@by(_one)
async def publish(
    one: Callable[[], bytes | None],
    ingest: Client,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="Standard input, if it is -.")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="By default a random one.")] = None,
    batch: Annotated[int, typer.Option(min=1, max=MAX_BATCH_EVENTS, help="Events sent at once.")] = MAX_BATCH_EVENTS,
    as_json: AsJson = False,
) -> int:
    found = taken_apart(await _given(ingest, file, one()))
    publishing = Publishing(ingest, found, key=key or f"cli-{secrets.token_hex(8)}", most_at_once=batch)
    await publishing.run()
    return publishing.report.show(as_json=as_json)


async def _given(ingest: Client, file: str | None, one: bytes | None) -> bytes:
    if (file is None) == (one is None):
        raise StartupError("name a file, or - for standard input, or say --event, --tenant and --data")
    if file is None:
        return one or b""
    return await unless_stopped(standard_input(), ingest.stopped) if file == "-" else read_file("FILE", Path(file))
