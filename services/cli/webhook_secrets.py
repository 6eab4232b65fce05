"""`webhooks rotate-secret` and `complete-rotation`, and how a secret is given and shown."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.asking import asks
from services.cli.choice import AsJson, Yes
from services.cli.client import Answer, Client, path
from services.cli.inputs import secret_in
from services.cli.listing import show_one
from services.cli.running import DONE, complain, need_agreement
from services.cli.webhook_choice import SecretFile, WebhookGiven

app = typer.Typer()

_ROTATE = """
Begin to rotate the secret of a webhook. Without `--secret-file` we make the new one, shown here and never again.

`webhook-signature` carries signatures of both until the overlap ends or `complete-rotation` is run;
`X-Allure-Signature` stays with the old secret until then. It asks before an old secret stops signing at once, unless
`--yes` is given.

**Example**

    python -m services.cli webhooks rotate-secret webhook_0123456789abcdef --overlap-hours 48
"""


@asks(app, "rotate-secret", _ROTATE)
async def rotate_secret(
    api: Client,
    webhook_id: WebhookGiven,
    secret_file: SecretFile = None,
    overlap_hours: Annotated[float, typer.Option(help="So long both secrets sign.")] = 24,
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    wanted = {"overlap_hours": overlap_hours, **secret_given(secret_file)}
    if not yes:
        under_way = (await api.get(path("webhooks", webhook_id))).json["rotation_ends_at"] is not None
        if under_way or not overlap_hours:
            await need_agreement("The oldest secret would no longer sign. Go on?", api.stopped)
    rotated = await api.change("POST", path("webhooks", webhook_id, "rotate-secret"), wanted)
    return show_with_secret(rotated, as_json=as_json)


_COMPLETE = """
Let the new secret alone sign. It asks before it begins, unless `--yes` is given. Without a rotation nothing changes.

**Example**

    python -m services.cli webhooks complete-rotation webhook_0123456789abcdef --yes
"""


@asks(app, "complete-rotation", _COMPLETE)
async def complete_rotation(api: Client, webhook_id: WebhookGiven, yes: Yes = False, as_json: AsJson = False) -> int:
    if not yes:
        await need_agreement("The old secret would no longer sign. Go on?", api.stopped)
    return show_one(
        await api.change("POST", path("webhooks", webhook_id, "rotate-secret", "complete")), as_json=as_json
    )


def secret_given(file: Path | None) -> dict[str, str]:
    """Raises StartupError, which does not quote it."""
    return {} if file is None else {"secret": secret_in("--secret-file", file)}


def show_with_secret(answer: Answer, *, as_json: bool) -> int:
    """The secret is there if we made it."""
    show_one(answer, as_json=as_json)
    if not as_json and "secret" in answer.json:
        complain("keep the secret now: it is not shown again")
    return DONE
