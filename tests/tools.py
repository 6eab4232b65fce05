"""Programs that tests run and this machine may lack: unpacked from Debian packages, once, never installed."""

import fcntl
import re
import shutil
from pathlib import Path

import pytest

from deploy.local.commands import Commands
from deploy.local.debian import Apt
from deploy.local.download import PROJECT, native_copies_are_possible

TOOLS = PROJECT / ".local/tools"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MIRROR = re.compile(r"^(?:URIs: *|deb +(?:\[[^]]*\] +)?)(\S+/debian)/?(?: |$)", re.MULTILINE)


def tool(program: str, *, package: str, suite: str = "") -> Path:
    """The program on the PATH of a release's package, for example `/usr/bin/promtool` of `prometheus`.

    `suite` names another release than this machine's (`trixie`), for programs that need no library of it. Skips the
    test where there is no apt.
    """
    folder = unpacked(package, suite=suite)
    named = [path for path in sorted(folder.glob(f"**/{program}")) if path.is_file()]
    found = min(named, key=lambda path: path.parent.name != "bin", default=None)  # /etc may have one of that name
    if found is None:
        pytest.fail(f"the package {package} has no {program}")
    return found


def unpacked(package: str, *, suite: str = "") -> Path:
    """The folder that holds what the package holds. See `tool`."""
    if not native_copies_are_possible():
        pytest.skip(f"no apt on this machine to get {package} with")
    TOOLS.mkdir(parents=True, exist_ok=True)
    complete = TOOLS / "-".join(filter(None, (package, suite)))
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            _fetch(package, suite, complete)
    return complete


def _fetch(package: str, suite: str, complete: Path) -> None:
    """The folder gets its name when all is in it: an interrupted download is begun again."""
    partial = TOOLS / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "debs").mkdir(parents=True)
    commands = Commands()
    apt = Apt(partial / "apt", commands, sources=_sources(partial, suite) if suite else None)
    apt.update()
    apt.download([package], partial / "debs")
    [deb] = (partial / "debs").glob("*.deb")
    commands.run(["dpkg-deb", "--extract", str(deb), str(partial / "root")])
    (partial / "root").rename(complete)
    shutil.rmtree(partial)


def _sources(folder: Path, suite: str) -> Path:
    """Another release, from the mirror that this machine uses."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    text = "\n".join(file.read_text() for file in files if file.is_file())
    mirror = _MIRROR.search(text)
    if mirror is None or not KEYRING.exists():
        pytest.skip(f"this machine's apt names no Debian mirror to get {suite} from")
    sources = folder / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror[1]} {suite} main\n")
    return sources
