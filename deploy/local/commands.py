"""Runs the programs that download and unpack servers, and ends them all when the download is no longer wanted."""

import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from deploy.local.errors import NoServers


class Commands:
    """Programs of a download under way. They run in threads, which no signal reaches: `give_up` ends them."""

    def __init__(self) -> None:
        self._given_up = threading.Event()
        self._running: set[subprocess.Popen[str]] = set()

    def run(
        self, command: Sequence[str], *, check: bool = True, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> str:
        """Output of a command; its failure is one line for a person."""
        everything = os.environ | {"LC_ALL": "C"} | (env or {})
        pipe = subprocess.PIPE
        process = subprocess.Popen(list(command), cwd=cwd, env=everything, stdout=pipe, stderr=pipe, text=True)
        self._running.add(process)
        if self._given_up.is_set():
            process.terminate()
        try:
            output, complaint = process.communicate()
        except BaseException:
            process.kill()
            raise
        finally:
            self._running.discard(process)
        if check and process.returncode:
            reason = (complaint.strip() or output.strip() or f"exit {process.returncode}").splitlines()[-1]
            raise NoServers(f"{command[0]} failed: {reason}")
        return output

    def give_up(self) -> None:
        """Ends what runs, and what would be run later."""
        self._given_up.set()
        for process in list(self._running):
            process.terminate()
