"""Finds free ports and tells when a server is really ready, not merely listening."""

import random
import socket
import time
from collections.abc import Callable
from pathlib import Path

LOOPBACK = "127.0.0.1"
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME = b"\x01"  # the broker's Connection.Start: it accepts clients now
LOWEST_PORT = 10_000
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A TCP port nobody listens on, proven by binding it.

    Taken below the range of outgoing connections where there is one: inside it, a client that dials a killed server
    again and again may be given that very port as its own, and the restart would find it taken.
    """
    first_outgoing = _first_outgoing_port()
    for _ in range(200):
        port = random.randrange(LOWEST_PORT, first_outgoing) if first_outgoing > LOWEST_PORT + 1000 else 0
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free TCP port found")


def _first_outgoing_port() -> int:
    try:
        return int(PORT_RANGE.read_text().split()[0])
    except (OSError, ValueError):
        return 0


def accepts_connections(port: int) -> bool:
    """Whether something listens on the port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def answers_amqp(port: int) -> bool:
    """Whether a broker answers the AMQP protocol header: a bound port alone proves nothing."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.settimeout(2)
            connection.sendall(AMQP_HEADER)
            return connection.recv(1) == METHOD_FRAME
    except OSError:
        return False


def wait_until(ready: Callable[[], bool], *, alive: Callable[[], bool], timeout_seconds: float) -> bool:
    """Polls until ready; False when the server died or the time was up."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if ready():
            return True
        if not alive():
            return False
        time.sleep(0.05)
    return False
