"""`make demo`: the main job once, on ports and a folder of its own; exit code 0 only if every delivery was verified."""

import argparse
import asyncio
import shutil
import sys
import time
from pathlib import Path

from deploy.local.download import PROJECT
from deploy.local.errors import FolderInUse, LocalServersError
from deploy.local.progress import TerminalProgress
from deploy.local.sample import SampleEndpoint
from deploy.local.showcase import show
from deploy.local.site import Site, site, stop_on_signals


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=PROJECT / ".local/demo", help="where data and logs go meanwhile")
    folder = parser.parse_args().folder.resolve()
    began = time.monotonic()
    stop_on_signals()
    try:
        with site(folder, api_port=0, ingest_port=0, progress=TerminalProgress()) as running:
            asyncio.run(_once(running))
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


async def _once(running: Site) -> None:
    endpoint = SampleEndpoint(running.sample_secret)
    await endpoint.start()
    try:
        await show(running, endpoint)
    finally:
        await endpoint.stop()


if __name__ == "__main__":
    sys.exit(main())
