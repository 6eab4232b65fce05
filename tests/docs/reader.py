"""Somebody who follows a page: runs its shell blocks one after the other, and copies ids out of the answers."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.pages import PROJECT, Block

_ID = re.compile(r"\b(webhook|delivery|replay|event|parked|key|erasure)_[0-9a-f]{12,}\b")
_KEY = re.compile(r"\bscorm_[\w-]{20,}")
_LEFT_OUT = re.compile(r"\b([a-z]+)_…")
# `curl` as a reader uses it, but for an answer that is an error: that one shall be noticed. And operators' commands
# without the second that Python takes to import them.
_BEFORE = """
set -euo pipefail
curl() { command curl -sS --fail-with-body "$@"; }
python() {
    if [ "${2:-}" = services.cli ]; then shift 2; set -- -S -E "$FORKS" "$FORKS_DOOR" "$@"; fi
    "$READERS_PYTHON" "$@"
}
"""
_AFTER = '\nenv -0 > "$READERS_ENV"\n'
SECONDS = 60


@dataclass
class Reader:
    """Stands in `folder`, where `make run` has left `.local/env`. `env` lasts from block to block."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCHER_")}
        ours = {"PYTHONPATH": str(PROJECT), "COLUMNS": "200", "READERS_PYTHON": sys.executable}
        ours["READERS_ENV"] = str(self.folder / "readers-env")
        self.env = {**inherited, **ours, **self.env}

    def follow(self, block: Block) -> str:
        """What it prints. Fails with it when a command fails."""
        script = _BEFORE + _LEFT_OUT.sub(self._complete, block.text) + _AFTER
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            text=True,
        )
        assert done.returncode == 0, f"{block}\n{block.text}\n{done.stdout}\n{done.stderr}"
        self._keep_env()
        self._look_at(done.stdout)
        return done.stdout

    def _complete(self, match: re.Match[str]) -> str:
        """`delivery_…` is the last one that was seen."""
        return self.seen[match[1]]

    def _keep_env(self) -> None:
        pairs = Path(self.env["READERS_ENV"]).read_text().split("\0")
        self.env = dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    def _look_at(self, printed: str) -> None:
        """The first id of each kind, in a variable of its name: `$WEBHOOK`, `$REPLAY`, …"""
        for match in reversed(list(_ID.finditer(printed))):
            self.seen[match[1]] = self.env[match[1].upper()] = match[0]
        if key := _KEY.search(printed):
            self.env["KEY"] = key[0]
