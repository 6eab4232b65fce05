"""The help of operators' commands is all they need to know."""

import pytest
from typer.testing import CliRunner

from services.cli.__main__ import app

COMMANDS = {
    "dead-letters": ("neither read nor change it",),
    "dead-letters list": ("--tenant", "--error", "2h", "Example", "--limit", "Exit code"),
    "dead-letters show": ("--json", "Exit code"),
    "dead-letters retry": ("--per-second", "--force", "--dry-run", "--all", "130 after Ctrl-C", "how far it came"),
    "dead-letters discard": ("--yes", "cancelled", "stay in the history", "130 after Ctrl-C"),
    "doctor": ("--service", "--json", "Examples", "Nothing is changed", "Exit code", "130 after Ctrl-C"),
    "load": ("--per-second", "--sessions", "--http", "Examples", "tenant of your own", "130 after Ctrl-C"),
    "migrate": ("--replace-indexes", "--json", "Example", "Exit code", "run it again"),
    "parked": ("share it",),
    "parked list": ("--tenant", "--from", "2h", "Example", "--limit", "Exit code"),
    "parked show": ("--raw", "--json", "Exit code"),
    "parked retry": ("--per-second", "--body", "--dry-run", "--all", "130 after Ctrl-C", "consumer_timeout"),
    "parked discard": ("--yes", "--save", "130 after Ctrl-C"),
    "status": ("--watch", "--service", "--json", "Examples", "Exit code", "130 after Ctrl-C"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_complete(command: str) -> None:
    done = CliRunner().invoke(app, [*command.split(), "--help"], terminal_width=200)
    assert done.exit_code == 0
    for words in COMMANDS[command]:
        assert words in " ".join(done.output.split()), words
