"""The five services in one process, for a laptop or a small site: `python -m services.all`."""

from services.api.__main__ import build as api
from services.delivery.__main__ import build as delivery
from services.fanout.__main__ import build as fanout
from services.ingest.__main__ import build as ingest
from services.scheduler.__main__ import build as scheduler
from shared.lifecycle import run

if __name__ == "__main__":
    run("all", ingest, fanout, delivery, scheduler, api)
