"""Local servers by hand: `up` runs them until Ctrl-C, `fetch` only downloads, `clean` removes what runs left."""

import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from deploy.local.download import PROJECT, fetch
from deploy.local.errors import FolderInUse, LocalServersError
from deploy.local.folder import sweep
from deploy.local.progress import Progress, TerminalProgress
from deploy.local.servers import local_servers

DATA = PROJECT / ".local"
KEPT = {"venv", "servers", "tools", "checkov"}  # costly to get again and the same for every run


def main() -> int:
    commands = {"up": up, "fetch": fetch, "clean": clean}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print(f"usage: python -m deploy.local {'|'.join(commands)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    progress = TerminalProgress()
    try:
        commands[sys.argv[1]](progress)
    except LocalServersError as error:
        progress(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def up(progress: Progress) -> None:
    """Prints the addresses as NAME=value lines, then waits for SIGINT or SIGTERM."""
    with local_servers(DATA / "up", progress=progress) as servers:
        print(f"DISPATCHER_AMQP_URL={servers.rabbitmq.url}")
        print(f"DISPATCHER_MONGODB_URL={servers.mongodb.url}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            progress("stopping …")


def clean(progress: Progress) -> None:
    """Removes the data of runs and tests; the virtual environment and the downloaded servers stay."""
    in_use = sweep(DATA)
    if in_use:
        raise FolderInUse(f"Still running in {in_use[0]}: stop that first.")
    remove_containers()
    for path in sorted(DATA.glob("*")):
        if path.name not in KEPT:
            _remove(path)
    progress(f"removed the data in {DATA}; kept {' and '.join(sorted(KEPT))}")


def remove_containers() -> None:
    """Does nothing where containers were never used."""
    try:
        from deploy.local.containers import remove_containers_under
    except ImportError:
        return
    remove_containers_under(DATA)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
