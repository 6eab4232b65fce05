"""A sample endpoint: verifies both signatures of what arrives, as a customer's own would, and gives an account of it.

As a program it stands alone, on port 9000, with the secret in SAMPLE_SECRET.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import time
from collections import deque
from dataclasses import asdict, dataclass

from aiohttp import web

PORT = 9000
KEPT = 10_000
PATH = "/webhooks/scorm"


@dataclass(frozen=True)
class Arrival:
    """One delivery as it arrived, counted from 1; `at` is in seconds since the epoch."""

    number: int
    event: str
    delivery_id: str
    at: float
    verified: bool


class SampleEndpoint:
    """Listens on a free port of the loopback interface unless told otherwise; remembers the newest arrivals."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._arrivals: deque[Arrival] = deque(maxlen=KEPT)
        self._arrived = asyncio.Event()
        self._count = 0
        self._seen = 0
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        app = web.Application()
        app.add_routes([web.post(PATH, self._receive), web.get("/arrivals", self._account)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.url = "http://{}:{}{}".format(*self._runner.addresses[0][:2], PATH)

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def next_arrival(self) -> Arrival:
        while not (newer := self._after(self._seen)):
            self._arrived.clear()
            await self._arrived.wait()
        self._seen = newer[0].number
        return newer[0]

    def _after(self, number: int) -> list[Arrival]:
        return [arrival for arrival in self._arrivals if arrival.number > number]

    async def _account(self, request: web.Request) -> web.Response:
        newer = self._after(int(request.query.get("after", "0")))
        return web.json_response({"arrivals": [asdict(arrival) for arrival in newer]})

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        verified = verify(self._secret, body, dict(request.headers))
        event = json.loads(body)
        self._count += 1
        self._arrivals.append(Arrival(self._count, event["event"], event["delivery_id"], time.time(), verified))
        self._arrived.set()
        return web.Response(text="OK") if verified else web.Response(status=401, text="Invalid signature")


def verify(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    """Both schemes: the guide's hex HMAC of the body, and Standard Webhooks' of `id.timestamp.body`."""
    ours = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    standard = "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(ours, headers["X-Allure-Signature"]) and any(
        hmac.compare_digest(standard, candidate) for candidate in headers["webhook-signature"].split()
    )


async def main() -> None:
    endpoint, stopped = SampleEndpoint(os.environ["SAMPLE_SECRET"]), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await endpoint.start("0.0.0.0", PORT)
    await stopped.wait()
    await endpoint.stop()


if __name__ == "__main__":
    asyncio.run(main())
