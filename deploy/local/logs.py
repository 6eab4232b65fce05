"""Quotes the end of a server's log in an error message."""

import re
from pathlib import Path

LINES = 15
ERROR = re.compile(r'\[(error|critical)\]|"s":"[EF]"')  # RabbitMQ's and MongoDB's ways to mark one


def log_tail(*candidates: Path) -> str:
    """The last errors, or else the last lines, of the first of these logs that has any; and where it is."""
    for log in candidates:
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        if lines:
            telling = [line for line in lines[-200:] if ERROR.search(line)] or lines
            return f"From {log}:\n" + "\n".join(f"  {line[:300]}" for line in telling[-LINES:])
    return f"It wrote nothing to {candidates[0]}."
