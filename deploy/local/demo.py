"""`make demo`: the main job once, on ports and a folder of its own; exit code 0 only if every delivery was verified."""

import argparse
import asyncio
import os
import secrets
import shutil
import sys
import time
from pathlib import Path

from pymongo import MongoClient

from deploy.local.download import PROJECT
from deploy.local.errors import FolderInUse, LocalServersError
from deploy.local.folder import sweep
from deploy.local.progress import TerminalProgress
from deploy.local.sample import SampleEndpoint
from deploy.local.showcase import show
from deploy.local.site import Site, site

KEPT = ("DISPATCHER_AMQP_URL", "DISPATCHER_MONGODB_URL", "DISPATCHER_SERVERS_CACHE")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=PROJECT / ".local/demo", help="where data and logs go meanwhile")
    folder = parser.parse_args().folder.resolve()
    began = time.monotonic()
    database = _own_settings()
    try:
        if not sweep(folder):
            shutil.rmtree(folder, ignore_errors=True)  # of a demo that failed; this one starts from nothing
        with site(folder, api_port=0, ingest_port=0, progress=TerminalProgress()) as running:
            asyncio.run(_once(running))
        _drop(database)
    except FolderInUse:
        print(f"make demo: one is running already in {folder}", file=sys.stderr)
        return 2
    except LocalServersError as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    shutil.rmtree(folder, ignore_errors=True)
    print(f"demo passed: five event types delivered and verified, {time.monotonic() - began:.0f} s in all")
    return 0


def _own_settings() -> str:
    """Nothing of another site's settings, and a database of its own on servers that are not; returns its name."""
    for name in [name for name in os.environ if name.startswith("DISPATCHER_") and name not in KEPT]:
        del os.environ[name]
    database = f"dispatcher_demo_{secrets.token_hex(6)}"
    os.environ["DISPATCHER_MONGODB_DATABASE"] = database
    return database


def _drop(database: str) -> None:
    """On servers of our own the whole folder goes."""
    if url := os.environ.get("DISPATCHER_MONGODB_URL"):
        with MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=5000) as mongo:
            mongo.drop_database(database)


async def _once(running: Site) -> None:
    endpoint = SampleEndpoint(running.sample_secret)
    await endpoint.start()
    try:
        await show(running, endpoint)
    finally:
        await endpoint.stop()


if __name__ == "__main__":
    sys.exit(main())
