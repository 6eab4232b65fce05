"""`python -m services NAME …` runs one process by its name: the entry of the image."""

import runpy
import signal
import sys

NAMES = ("ingest", "fanout", "delivery", "scheduler", "api", "all", "cli", "health")
STOPPED = 128 + signal.SIGTERM


def main() -> None:
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    # The first process of a container ignores SIGTERM until it handles it: a stop during the imports would take long.
    # A service leaves nothing behind then; but a Job must not take a command that did nothing for done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED if name == "cli" else 0))
    if name not in NAMES:
        print(f"one of these is needed: {', '.join(NAMES)}; cli takes a command: cli --help", file=sys.stderr)
        sys.exit(2)
    runpy.run_module(f"services.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
