"""Puts the commands together: `python -m services.cli`, or `dispatcher` where the package is installed."""

import typer

from services.cli import (
    dead_letters,
    deliveries,
    doctor,
    events,
    keys,
    load,
    migrate,
    parked,
    replay,
    secrets,
    status,
    webhooks,
)

app = typer.Typer(
    name="dispatcher",
    help="What operators and customers of the webhook dispatcher do by hand. Settings are in the environment.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,  # they would show variables, and with them secrets
)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(events.app, name="events")
app.add_typer(keys.app, name="keys")
app.add_typer(parked.app, name="parked")
app.add_typer(replay.app, name="replay")
app.add_typer(secrets.app, name="secrets")
app.add_typer(webhooks.app, name="webhooks")
app.command(help=doctor.HELP)(doctor.doctor)
app.command(help=load.HELP)(load.load)
app.command(help=migrate.HELP)(migrate.migrate)
app.command(help=status.HELP)(status.status)

if __name__ == "__main__":
    app()
