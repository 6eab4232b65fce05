"""`keys`: API keys, for a tenant's admin and the operator."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from services.cli.asking import asks
from services.cli.choice import AsJson, Shown, Tenant, Yes
from services.cli.client import Client, path
from services.cli.each import each
from services.cli.listing import show_one, show_rows
from services.cli.moments import moment_ahead
from services.cli.running import DONE, complain, need_agreement
from shared.times import iso

app = typer.Typer(
    help="API keys of tenants. A key with the scope `admin` is needed, or the operator's.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
_COLUMNS = {
    "id": "id",
    "tenant": "tenant_id",
    "name": "name",
    "scopes": "scopes",
    "created": "created_at",
    "expires": "expires_at",
    "last used": "last_used_at",
}

_LIST = """
List API keys, newest first. With the operator's key and no `--tenant`, those of all tenants.

**Example**

    python -m services.cli keys list --tenant acme
"""


@asks(app, "list", _LIST)
async def list_(api: Client, tenant: Tenant = None, limit: Shown = 50, as_json: AsJson = False) -> int:
    found = await api.rows(path("api-keys"), "api_keys", limit, tenant_id=tenant)
    return show_rows(found, name="api_keys", noun="API key", columns=_COLUMNS, as_json=as_json)


_CREATE = """
Create an API key. Its text is shown here and never again.

`--expires` is a moment as in the API (`2025-01-15T10:30:00Z`), or how long from now: `90s`, `30m`, `2h`, `3d`, `1w`.

**Example**

    python -m services.cli keys create --tenant acme --scope read --scope write --expires 13w --json | jq -r .key
"""


@asks(app, "create", _CREATE)
async def create(
    api: Client,
    scopes: Annotated[
        list[str], typer.Option("--scope", help="read, write or admin, which holds the others; may be repeated.")
    ],
    tenant: Tenant = None,
    name: Annotated[str | None, typer.Option("--name", help="To tell it from others.")] = None,
    expires: Annotated[str | None, typer.Option("--expires", metavar="WHEN", help="By default never.")] = None,
    as_json: AsJson = False,
) -> int:
    expires_at = moment_ahead("--expires", expires, datetime.now(UTC))
    wanted = {"tenant_id": tenant, "name": name, "scopes": scopes, "expires_at": expires_at and iso(expires_at)}
    made = await api.change("POST", path("api-keys"), wanted)
    show_one(made, as_json=as_json)
    if not as_json:
        complain("keep the key now: it is not shown again")
    return DONE


_DELETE = """
Revoke API keys. They work for five seconds more at most. It asks before it begins, unless `--yes` is given.

**Example**

    python -m services.cli keys delete key_0123456789abcdef --yes
"""


@asks(app, "delete", _DELETE)
async def delete(
    api: Client,
    ids: Annotated[list[str], typer.Argument(metavar="ID")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    if not yes:
        await need_agreement(f"Revoke {', '.join(ids)}?", api.stopped)

    async def revoke(key_id: str) -> None:
        await api.change("DELETE", path("api-keys", key_id))

    return await each(ids, revoke, "deleted", as_json=as_json)
