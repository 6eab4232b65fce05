"""`python -m services NAME …` runs one process by its name: the entry of the image."""

import runpy
import signal
import sys

NAMES = ("ingest", "fanout", "delivery", "scheduler", "api", "all", "cli", "health")


def main() -> None:
    # The first process of a container ignores SIGTERM until it handles it: a stop during the imports would take long.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        print(f"one of these is needed: {', '.join(NAMES)}; cli takes a command: cli --help", file=sys.stderr)
        sys.exit(2)
    runpy.run_module(f"services.{sys.argv.pop(1)}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
