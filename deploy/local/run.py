"""`make run`: everything on this machine, with a sample endpoint, until Ctrl-C."""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from shlex import quote

from deploy.local.download import PROJECT
from deploy.local.errors import FolderInUse, LocalServersError
from deploy.local.keys import write_private
from deploy.local.progress import TerminalProgress
from deploy.local.sample import SampleEndpoint
from deploy.local.showcase import show
from deploy.local.site import SERVICES, Site, SiteFailed, site

_NAMES = ("AMQP_URL", "MONGODB_URL", "ADMIN_KEY", "SECRET_KEYS", "EGRESS_ALLOW", "ALLOW_HTTP")
_TOLD = tuple(f"DISPATCHER_{name}" for name in (*_NAMES, *(f"{name.upper()}_PORT" for name in SERVICES)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--folder", type=Path, default=PROJECT / ".local", help="where data, logs and `env` go")
    folder = parser.parse_args().folder.resolve()
    try:
        return _run(folder)
    except FolderInUse:
        print(f"make run: one is running already in {folder}; stop it first, or see {folder}/env", file=sys.stderr)
    except LocalServersError as error:
        print(f"make run: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 0
    return 2


def _run(folder: Path) -> int:
    ports = {"api_port": _port("DISPATCHER_API_PORT", 8080), "ingest_port": _port("DISPATCHER_INGEST_PORT", 8081)}
    with site(folder / "run", progress=TerminalProgress(), **ports) as running:
        env = folder / "env"
        env.unlink(missing_ok=True)  # a killed run's: it names servers that are gone
        try:
            asyncio.run(_stay_up(running, env))
        finally:
            env.unlink(missing_ok=True)
            print("stopping …", file=sys.stderr)
    return 0


async def _stay_up(running: Site, env: Path) -> None:
    endpoint = SampleEndpoint(running.sample_secret)
    await endpoint.start()
    try:
        await show(running, endpoint)
        write_private(env, _env_lines(running))
        _print_addresses(running, env)
        while True:
            running.check_alive()
            await asyncio.sleep(0.5)
    finally:
        await endpoint.stop()


def _env_lines(running: Site) -> str:
    """What operators' commands need to find all that the services use."""
    addresses = {"DISPATCHER_API_URL": running.url("api"), "DISPATCHER_INGEST_URL": running.url("ingest")}
    values = {**addresses, **{name: running.env[name] for name in _TOLD}}
    return "".join(f"{name}={quote(value)}\n" for name, value in values.items())


def _print_addresses(running: Site, env: Path) -> None:
    print(f"dashboard       {running.url('api')}/dashboard (sign in with the operator's key)")
    print(f"API             {running.url('api')}/api/v1/webhooks")
    print(f"ingest          {running.url('ingest')}/api/v1/events")
    print(f"operator's key  {running.env['DISPATCHER_ADMIN_KEY']}")
    print(f"for scripts     {env}")
    print(f"logs            {running.folder}/logs")
    print("Ctrl-C stops everything.", flush=True)


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise SiteFailed(f"{variable} is {text!r}: a port from 1 to 65535 is needed")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
