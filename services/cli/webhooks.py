"""`webhooks`: what tenants subscribed to."""

from typing import Annotated

import typer

from services.cli import webhook_secrets, webhook_trials
from services.cli.asking import asks
from services.cli.choice import AsJson, Shown, Tenant, Yes
from services.cli.client import Client, path
from services.cli.each import each
from services.cli.listing import Column, show_one, show_rows
from services.cli.options import by
from services.cli.running import need_agreement
from services.cli.webhook_choice import Request, SecretFile, WebhookGiven, changed, settings
from services.cli.webhook_secrets import secret_given, show_with_secret
from shared.errors import StartupError

app = typer.Typer(
    help="What tenants subscribed to: endpoints, the events they want, and how they are sent.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.add_typer(webhook_secrets.app)
app.add_typer(webhook_trials.app)
_COLUMNS: dict[str, Column] = {
    "id": "id",
    "tenant": "tenant_id",
    "url": "url",
    "event types": "event_types",
    "active": "is_active",
    "paused": "paused",
    "disabled because": "disabled_reason",
    "breaker": "health.breaker",
    "failures": "health.failures",
}

_LIST = """
List webhooks, newest first. With the operator's key and no `--tenant`, those of all tenants.

**Example**

    python -m services.cli webhooks list --tenant acme --limit 200
"""


@asks(app, "list", _LIST)
async def list_(api: Client, tenant: Tenant = None, limit: Shown = 50, as_json: AsJson = False) -> int:
    found = await api.rows(path("webhooks"), "webhooks", limit, tenant_id=tenant)
    return show_rows(found, name="webhooks", noun="webhook", columns=_COLUMNS, as_json=as_json)


_SHOW = """
Show one webhook with the health of its endpoint. Secrets and the values of its headers are never shown.

**Example**

    python -m services.cli webhooks show webhook_0123456789abcdef
"""


@asks(app, "show", _SHOW)
async def show(api: Client, webhook_id: WebhookGiven, as_json: AsJson = False) -> int:
    return show_one(await api.get(path("webhooks", webhook_id)), as_json=as_json)


_CREATE = """
Create a webhook. Without `--secret-file` we make its secret, which is shown here and never again.

**Example**

    python -m services.cli webhooks create https://your-app.com/api/webhooks/scorm --tenant acme \\
        --event-type "session.*" --filter '{"field": "score.scaled", "gte": 0.8}'
"""


@asks(app, "create", _CREATE)
@by(settings)
async def create(
    request: Request,
    api: Client,
    url: Annotated[str, typer.Argument(metavar="URL")],
    tenant: Tenant = None,
    secret_file: SecretFile = None,
    as_json: AsJson = False,
) -> int:
    wanted = {"url": url, **request(), **secret_given(secret_file)}
    if tenant:
        wanted["tenant_id"] = tenant
    return show_with_secret(await api.change("POST", path("webhooks"), wanted), as_json=as_json)


_UPDATE = """
Change a webhook: only what is said changes, and is in force for new events within a second.

Paused deliveries wait until it is resumed. Those of a disabled webhook end; enabling it again says how many ended
meanwhile, which `replay start` sends.

**Examples**

    python -m services.cli webhooks update webhook_0123456789abcdef --pause

    python -m services.cli webhooks update webhook_0123456789abcdef --enable --rate-limit 20 --clear filter
"""


@asks(app, "update", _UPDATE)
@by(settings)
@by(changed)
async def update(
    more: Request,
    request: Request,
    api: Client,
    webhook_id: WebhookGiven,
    version: Annotated[int | None, typer.Option("--if-version", help="Only if it has this version.")] = None,
    as_json: AsJson = False,
) -> int:
    patch = {**request(), **more()}
    if not patch:
        raise StartupError("nothing to change: say what, such as --pause")
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return show_one(await api.change("PATCH", path("webhooks", webhook_id), patch, headers=headers), as_json=as_json)


_DELETE = """
Delete webhooks. What is under way is cancelled; their history stays until it expires. It asks before it begins, unless
`--yes` is given.

**Example**

    python -m services.cli webhooks delete webhook_0123456789abcdef --yes
"""


@asks(app, "delete", _DELETE)
async def delete(
    api: Client,
    ids: Annotated[list[str], typer.Argument(metavar="ID")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    if not yes:
        await need_agreement(f"Delete {', '.join(ids)} for good?", api.stopped)

    async def delete_one(webhook_id: str) -> None:
        await api.change("DELETE", path("webhooks", webhook_id))

    return await each(ids, delete_one, "deleted", as_json=as_json)
