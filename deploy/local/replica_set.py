"""Makes one MongoDB server a replica set of one; as a program with `host:port` it returns when that takes writes."""

import sys
import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

REPLICA_SET = "rs0"
NOT_YET_INITIALIZED = 94
PATIENCE_SECONDS = 60


def is_writable_primary(host: str) -> bool:
    """Whether the server takes writes; makes it a replica set on the way, in which its name is `host` (with port)."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        f"mongodb://{host}", directConnection=True, serverSelectionTimeoutMS=1000, timeoutMS=5000
    )
    try:
        _ensure_replica_set(client, host)
        return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False
    finally:
        client.close()


def _ensure_replica_set(client: MongoClient[dict[str, Any]], host: str) -> None:
    """Initiates the set once; gives its only member its present address when the data come from an earlier run."""
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as failure:
        if failure.code != NOT_YET_INITIALIZED:
            raise
        members = [{"_id": 0, "host": host}]
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return
    if config["members"][0]["host"] != host:
        config["members"][0]["host"] = host
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)


def main(host: str) -> int:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_writable_primary(host):
        if time.monotonic() > deadline:
            print(f"{host} takes no writes after {PATIENCE_SECONDS} s", file=sys.stderr)
            return 1
        time.sleep(0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
