"""Downloads and unpacks Debian packages without installing them, with apt's own signature checks, as any user."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.commands import Commands
from deploy.local.errors import NoServers

WANTED = ("rabbitmq-server", "libcurl4", "libssl3")  # the two libraries are mongod's
OLDEST_RABBITMQ = (3, 10)
OWN_COPY = (
    "erlang-",
    "rabbitmq-server",
)  # unpacked even where the machine has them: a copy must not mix with a system's
LIBRARY = re.compile(r"lib(?!.*-(perl|common)$)")
LINE = re.compile(r"'(?P<uri>[^']+)' (?P<name>[^_ ]+)_(?P<version>[^_ ]+)_\S+ (?P<size>\d+)")


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    size: int  # bytes


class Apt:
    """apt with lists and caches of its own: works as a plain user, and on a machine whose lists were never fetched."""

    def __init__(self, folder: Path, commands: Commands, *, sources: Path | None = None) -> None:
        """`sources`: a list of sources instead of the machine's own."""
        self._folder = folder
        self._commands = commands
        self._sources = sources
        (folder / "lists/partial").mkdir(parents=True)
        (folder / "cache/archives/partial").mkdir(parents=True)
        (folder / "nothing-installed").touch()

    def update(self) -> None:
        """Fetches the lists of packages. One source out of several that fails is no reason to stop: see `closure`."""
        self._run(["apt-get", "update", "-qq"], check=False)

    def closure(self, names: Sequence[str]) -> list[Package]:
        """These packages and all they depend on, worked out as for a machine where nothing is installed."""
        if not any((self._folder / "lists").glob("*Packages*")):
            raise NoServers("apt-get could not fetch the lists of packages: is there a network?")
        nothing_installed = f"Dir::State::status={self._folder / 'nothing-installed'}"
        install = [
            "apt-get",
            "install",
            "--print-uris",
            "--no-install-recommends",
            "-qq",
            "-y",
            "-o",
            nothing_installed,
        ]
        return list(_packages(self._run([*install, *names])))

    def download(self, names: Iterable[str], into: Path) -> None:
        self._run(["apt-get", "download", *names], cwd=into)

    def _run(self, command: list[str], *, check: bool = True, cwd: Path | None = None) -> str:
        folder = self._folder
        options = {
            "Dir::State::Lists": folder / "lists",
            "Dir::Cache": folder / "cache",
            "Debug::NoLocking": "true",
            "APT::Sandbox::User": "root",
            "Acquire::Retries": "3",
            "Acquire::Languages": "none",
        }
        if self._sources:
            # What is installed here would count as a version that could be had.
            options |= {"Dir::Etc::SourceList": self._sources, "Dir::Etc::SourceParts": "/dev/null"}
            options |= {"Dir::State::status": folder / "nothing-installed"}
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return self._commands.run([command[0], *flags, *command[1:]], check=check, cwd=cwd)


def _packages(print_uris: str) -> Iterator[Package]:
    for match in LINE.finditer(print_uris):
        yield Package(match["name"], match["version"].replace("%3a", ":"), int(match["size"]))


def missing(closure: Sequence[Package], commands: Commands) -> list[Package]:
    """Of a closure, RabbitMQ and Erlang themselves and the libraries that this machine lacks."""
    listed = commands.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"])
    installed = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return [
        package
        for package in closure
        if package.name.startswith(OWN_COPY) or (LIBRARY.match(package.name) and package.name not in installed)
    ]


def refuse_old_rabbitmq(packages: Sequence[Package]) -> str:
    """The version of RabbitMQ, when it is one that this project works with."""
    version = next(package.version for package in packages if package.name == "rabbitmq-server")
    if tuple(map(int, version.split(".")[:2])) < OLDEST_RABBITMQ:
        raise NoServers(f"this system's RabbitMQ {version} is too old")
    return version.split("-")[0]


def fetch_packages(commands: Commands, work: Path, target: Path, announce: Callable[[int], None]) -> str:
    """Unpacks RabbitMQ, Erlang and missing libraries into target; announces the bytes to come; returns a version."""
    apt = Apt(work / "apt", commands)
    apt.update()
    packages = missing(apt.closure(WANTED), commands)
    version = refuse_old_rabbitmq(packages)
    announce(sum(package.size for package in packages))
    debs = work / "debs"
    debs.mkdir()
    apt.download((package.name for package in packages), debs)
    target.mkdir()
    for deb in sorted(debs.glob("*.deb")):
        commands.run(["dpkg-deb", "--extract", str(deb), str(target)])
    _make_relocatable(target)
    return version


def _make_relocatable(root: Path) -> None:
    """Debian's script that starts Erlang has /usr/lib/erlang written in; let it find itself instead."""
    script = root / "usr/lib/erlang/bin/erl"
    itself = '"$(dirname "$(dirname "$(readlink -f "$0")")")"'
    script.write_text(script.read_text().replace("ROOTDIR=/usr/lib/erlang", f"ROOTDIR={itself}"))
