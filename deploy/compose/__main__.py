"""The commands behind `make image up down logs`, and the parts of others that ask for an engine or end containers."""

import argparse
import sys
from pathlib import Path

from deploy.compose.docker import need_engine
from deploy.compose.image import build
from deploy.compose.project import NAME, Project
from deploy.compose.up import up
from deploy.local.download import PROJECT
from deploy.local.errors import LocalServersError
from services.health import SERVICES

COMMANDS = ("engine", "image", "up", "down", "logs", "clean")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.compose", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--folder", type=Path, default=PROJECT / ".local", help="where keys and `env` go")
    parser.add_argument("--project", default=NAME, help="name of the copy")
    given = parser.parse_args()
    try:
        _carry_out(given.command, given.folder.resolve(), given.project)
    except LocalServersError as error:
        print(f"make {given.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _carry_out(command: str, folder: Path, name: str) -> None:
    keys, env = folder / "compose", folder / "env"
    if command == "clean" and not keys.exists():
        return  # nothing was ever started
    need_engine()
    match command:
        case "engine":
            pass  # there is one
        case "image":
            build()
        case "up":
            project = Project(keys, name)
            build()
            up(project, env)
        case "down":
            Project(keys, name).compose("down")
            env.unlink(missing_ok=True)
        case "logs":
            Project(keys, name).compose("logs", "--follow", "--tail", "200", *SERVICES)
        case "clean":
            Project(keys, name).compose("down", "--volumes")


if __name__ == "__main__":
    sys.exit(main())
