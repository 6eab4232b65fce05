"""The help of operators' commands is all they need to know."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from services.cli.__main__ import app

COMMANDS = {
    "dead-letters": ("neither read nor change it",),
    "dead-letters list": ("--tenant", "--error", "2h", "--limit"),
    "dead-letters retry": ("--per-second", "--force", "--dry-run", "--all", "130 after Ctrl-C", "how far it came"),
    "dead-letters discard": ("--yes", "cancelled", "stay in the history", "130 after Ctrl-C"),
    "deliveries list": ("--tenant", "--webhook", "--status", "--answered", "--since", "--limit"),
    "deliveries cancel": ("--yes", "--dry-run", "130 after Ctrl-C"),
    "events publish": ("standard input", "--idempotency-key", "nothing is repeated"),
    "events tail": ("--deliveries", "Ctrl-C"),
    "keys create": ("never again", "--scope", "--expires"),
    "doctor": ("--service", "Nothing is changed", "130 after Ctrl-C"),
    "load": ("--per-second", "--sessions", "--http", "tenant of your own", "130 after Ctrl-C"),
    "migrate": ("--replace-indexes", "run it again"),
    "parked": ("share it",),
    "parked list": ("--tenant", "--from", "2h", "--limit"),
    "parked show": ("--raw",),
    "parked retry": ("--per-second", "--body", "--dry-run", "--all", "130 after Ctrl-C", "consumer_timeout"),
    "parked discard": ("--yes", "--save", "130 after Ctrl-C"),
    "replay start": ("--per-second", "--which", "--dry-run", "--wait", "replay cancel"),
    "webhooks create": ("--secret-file", "never again", "--filter"),
    "webhooks update": ("--pause", "--resume", "--enable", "--disable", "--clear"),
    "status": ("--watch", "--service", "130 after Ctrl-C"),
}


def commands(group: Any, *before: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *before, name)
        else:
            yield " ".join((*before, name)), command


ALL = dict(commands(get_command(app)))


def told(command: str) -> str:
    done = CliRunner().invoke(app, [*command.split(), "--help"], terminal_width=200)
    assert done.exit_code == 0
    return " ".join(done.output.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_complete(command: str) -> None:
    help_ = told(command)
    for words in COMMANDS[command]:
        assert words in help_, words


@pytest.mark.parametrize("command", ALL)
def test_every_command_can_be_learnt_from_its_help_and_used_by_scripts(command: str) -> None:
    help_ = told(command)
    assert f"python -m services.cli {command}" in help_.partition("Example")[2]
    assert "--json" in help_
    assert "Exit code" in help_
    options = [option for option in ALL[command].params if option.param_type_name == "option"]
    assert all(option.help or option.is_flag for option in options), [option.name for option in options]


def test_commands_are_found() -> None:
    assert len(ALL) > 25
