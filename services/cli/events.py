"""`events`: what producers published."""

from typing import Annotated

import typer

from services.cli import event_publish
from services.cli.asking import asks
from services.cli.choice import TIMES, AsJson, EventType, Shown, Since, Tenant, Until
from services.cli.client import Client, path
from services.cli.event_view import COLUMNS, tell
from services.cli.history_choice import window
from services.cli.listing import show_rows
from services.cli.running import DONE
from services.cli.tail import Wanted
from services.cli.tail import tail as follow

app = typer.Typer(help="What producers published.", no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(event_publish.app)

_LIST = f"""
List events, newest first. With the operator's key `--tenant` is needed.

`--since` and `--until` mean when the event was taken. {TIMES}

**Example**

    python -m services.cli events list --tenant acme --event-type session.completed --since 2h
"""


@asks(app, "list", _LIST)
async def list_(
    api: Client,
    tenant: Tenant = None,
    event_type: EventType = None,
    since: Since = None,
    until: Until = None,
    limit: Shown = 50,
    as_json: AsJson = False,
) -> int:
    query = {"tenant_id": tenant, "event_type": event_type, **window(since, until)}
    found = await api.rows(path("events"), "events", limit, **query)
    return show_rows(found, name="events", noun="event", columns=COLUMNS, as_json=as_json)


_SHOW = """
Show one event: its data, where it went, and why not to the other webhooks by their settings of now.

**Example**

    python -m services.cli events show --tenant acme event_0123456789abcdef
"""


@asks(app, "show", _SHOW)
async def show(
    api: Client,
    event_id: Annotated[str, typer.Argument(metavar="ID")],
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> int:
    found = await api.get(path("events", event_id), tenant_id=tenant)
    if as_json:
        print(found.indented)
    else:
        tell(found)
    return DONE


_TAIL = f"""
Show events as they come, one line each, until Ctrl-C; with `--deliveries` also what becomes of their deliveries.

The API is asked every second. A delivery that goes on is looked at again, if it is among the newest hundred of those.
`--since` shows first what came since then. {TIMES}

**Example**

    python -m services.cli events tail --tenant acme --deliveries --json
"""


@asks(app, "tail", _TAIL)
async def tail(
    api: Client,
    tenant: Tenant = None,
    event_type: EventType = None,
    since: Since = None,
    deliveries: Annotated[bool, typer.Option("--deliveries", help="What becomes of them as well.")] = False,
    as_json: AsJson = False,
) -> int:
    begin = window(since)["since"]
    wanted = Wanted(tenant_id=tenant, event_type=event_type, since=begin, deliveries=deliveries, as_json=as_json)
    await follow(api, wanted)
    return DONE
