"""A process with nothing but a sender in it, that writes down every connect() it makes.

Reads one JSON object from standard input: `dns`, `allow`, `urls`. Writes one: for each URL its kind, words, status and
the addresses of its connects. A connect that would leave the machine is written down and then fails.
"""

import errno
import ipaddress
import sys
from typing import Any

_connects: list[list[Any]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        host, port = arguments[1][:2]
        _connects.append([host, port])
        ip = ipaddress.ip_address(host)
        if not (ip.is_loopback or (ip.version == 6 and ip.ipv4_mapped and ip.ipv4_mapped.is_loopback)):
            raise OSError(errno.ENETUNREACH, "kept on this machine")


sys.addaudithook(_watch)  # before anything that could connect is imported

import json  # noqa: E402

import uvloop  # noqa: E402

from services.delivery.sender import Sender  # noqa: E402
from shared.egress import Egress  # noqa: E402
from shared.network import Network  # noqa: E402


async def main(asked: dict[str, Any]) -> None:
    sender = Sender(
        egress=Egress(asked["allow"], allow_http=True),
        network=Network(dns_servers=(asked["dns"],)),
        time_limit_seconds=20,
    )
    await sender.start()
    told = []
    for url in asked["urls"]:
        _connects.clear()
        answer = await sender.post(url, b"{}", {})
        kind = answer.error.value if answer.error else None
        told.append({"url": url, "kind": kind, "detail": answer.detail, "status": answer.status_code})
        told[-1]["connects"] = list(_connects)
    await sender.stop(0)
    print(json.dumps(told))


if __name__ == "__main__":
    uvloop.run(main(json.load(sys.stdin)))
