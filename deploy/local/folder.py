"""One living owner for each folder of servers' data, and an end for what a killed owner left running in it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import FolderInUse
from deploy.local.processes import kill_leftovers

LOCK = "servers.lock"


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Holds the folder for this process; kills leftovers first. FolderInUse when another living process holds it."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(f"Servers are already running in {folder}: stop the process that started them.") from None
        kill_leftovers(folder)
        yield folder


def sweep(root: Path) -> list[Path]:
    """Ends what killed runs left running in root and the three levels below; returns the folders still in use."""
    folders = {lock.parent for depth in ("", "*/", "*/*/", "*/*/*/") for lock in root.glob(f"{depth}{LOCK}")}
    return [folder for folder in sorted(folders) if not is_free(folder)]


def is_free(folder: Path) -> bool:
    """Whether the folder is there and no living process holds it; ends what is left running in it."""
    if not folder.is_dir():
        return False
    try:
        with claimed(folder):
            return True
    except FolderInUse:
        return False
