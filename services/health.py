"""The container's health check: asks /healthz of every service that process 1 runs, with the standard library alone.

It starts every few seconds beside each service, so it must be cheap: the settings' libraries would cost ten times more.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

SERVICES = ("ingest", "fanout", "delivery", "scheduler", "api")
TIMEOUT_SECONDS = 4


def running(command: bytes) -> tuple[str, ...]:
    """The services that a command line (words ended by zero bytes) runs; none for an operator's command."""
    names = [word.removeprefix("services.") for word in command.decode(errors="replace").split("\0")]
    name = next((name for name in names if name in (*SERVICES, "all", "cli")), "cli")
    return {"all": SERVICES, "cli": ()}.get(name, (name,))


def lives(service: str) -> bool:
    connection = HTTPConnection("127.0.0.1", int(os.environ[f"DISPATCHER_{service.upper()}_PORT"]), TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    silent = [service for service in running(Path("/proc/1/cmdline").read_bytes()) if not lives(service)]
    sys.exit(f"no answer: {', '.join(silent)}" if silent else 0)
