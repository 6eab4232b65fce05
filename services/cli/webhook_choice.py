"""What can be said of a webhook on the command line, and the request that it becomes."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from services.cli.inputs import json_given, read_file
from shared.errors import StartupError

WebhookGiven = Annotated[str, typer.Argument(metavar="ID")]
SecretFile = Annotated[
    Path | None, typer.Option("--secret-file", help="A file with the secret; by default we make one and show it once.")
]
_EventTypes = Annotated[
    list[str] | None,
    typer.Option("--event-type", metavar="TYPE", help="session.completed, session.*, *; may be given several times."),
]
_Description = Annotated[str | None, typer.Option("--description", help="For people.")]
_Filter = Annotated[
    str | None, typer.Option("--filter", metavar="JSON", help="Only events whose data pass it; or @FILE.")
]
_HeadersFile = Annotated[
    Path | None, typer.Option("--headers-file", help="A JSON object: headers of its own, for each request.")
]
_MaxAttempts = Annotated[int | None, typer.Option("--max-attempts", help="Of a delivery, the first included.")]
_RateLimit = Annotated[float | None, typer.Option("--rate-limit", help="Requests per second at most.")]
_Coalesce = Annotated[
    float | None, typer.Option("--coalesce-seconds", help="Of a session's progress within these only the newest.")
]
_Ordered = Annotated[bool | None, typer.Option("--ordered/--unordered", help="One at a time, in the events' order.")]
_Paused = Annotated[bool | None, typer.Option("--pause/--resume", help="Paused: its deliveries wait.")]
_Active = Annotated[bool | None, typer.Option("--enable/--disable", help="Disabled: its deliveries end.")]


class Clearable(StrEnum):
    DESCRIPTION = "description"
    FILTER = "filter"
    HEADERS = "headers"
    MAX_ATTEMPTS = "max-attempts"
    RATE_LIMIT = "rate-limit"
    COALESCE_SECONDS = "coalesce-seconds"


_Clear = Annotated[list[Clearable] | None, typer.Option("--clear", help="Take this away; may be given several times.")]

Request = Callable[[], dict[str, Any]]


def settings(
    event_types: _EventTypes = None,
    description: _Description = None,
    filter_: _Filter = None,
    headers_file: _HeadersFile = None,
    max_attempts: _MaxAttempts = None,
    rate_limit: _RateLimit = None,
    coalesce_seconds: _Coalesce = None,
    ordered: _Ordered = None,
) -> dict[str, Any]:
    """What is given, as the API calls it. Raises StartupError."""
    said = {
        "event_types": event_types or None,
        "description": description,
        "filter": json_given("--filter", filter_),
        "headers": _headers(headers_file),
        "max_attempts": max_attempts,
        "rate_limit": rate_limit,
        "coalesce_seconds": coalesce_seconds,
        "ordered": ordered,
    }
    return {name: value for name, value in said.items() if value is not None}


def changed(
    url: Annotated[str | None, typer.Option("--url", help="Another address.")] = None,
    paused: _Paused = None,
    is_active: _Active = None,
    clear: _Clear = None,
) -> dict[str, Any]:
    """What only a webhook that exists can be told."""
    said = {"url": url, "paused": paused, "is_active": is_active}
    cleared = {one.value.replace("-", "_"): None for one in clear or ()}
    return {name: value for name, value in said.items() if value is not None} | cleared


def _headers(file: Path | None) -> msgspec.Raw | None:
    """From a file, since their values may be secrets. Not quoted when it cannot be used."""
    if file is None:
        return None
    try:
        return msgspec.json.decode(read_file("--headers-file", file), type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StartupError(f"--headers-file: {file}: not JSON") from None
