"""Trouble as operators find it: a delivery that is dead, and a message that is parked."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

import pika

from shared.broker.topology import EVENTS, PARKED

TENANT = "acme"
EVENT = {
    "event": "session.created",
    "tenant_id": TENANT,
    "data": {"session_id": "s1", "package_id": "p1", "user_id": "u1"},
}


class _Broken(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not to the tests' output."""


@contextmanager
def broken_endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Broken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def call(env: dict[str, str], url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """With the operator's key."""
    headers = {"X-API-Key": env["DISPATCHER_ADMIN_KEY"], "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    with urlopen(Request(url, data, headers)) as answer:
        answered: dict[str, Any] = json.load(answer)
        return answered


def made(env: dict[str, str], endpoint: str) -> None:
    """Both, and waits until they are there. `env` is that of a running site."""
    webhook = {"tenant_id": TENANT, "url": endpoint, "event_types": ["*"], "max_attempts": 1}
    call(env, env["DISPATCHER_API_URL"] + "/api/v1/webhooks", webhook)
    with pika.BlockingConnection(pika.URLParameters(env["DISPATCHER_AMQP_URL"])) as connection:
        channel = connection.channel()
        for event in (EVENT, {**EVENT, "event": "session.paused"}):
            channel.basic_publish(EVENTS, event["event"], json.dumps(event))
        _wait(lambda: channel.queue_declare(PARKED, passive=True).method.message_count > 0)
    dead = env["DISPATCHER_API_URL"] + f"/api/v1/deliveries?tenant_id={TENANT}&status=dead"
    _wait(lambda: bool(call(env, dead)["deliveries"]))


def _wait(condition: Callable[[], bool], within_seconds: float = 30) -> None:
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
