"""A sample endpoint: verifies both signatures of what arrives, as a customer's own would, and remembers it."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True)
class Arrival:
    """One delivery as it arrived; `at` is in seconds since the epoch."""

    event: str
    delivery_id: str
    at: float
    verified: bool


class SampleEndpoint:
    """Listens on a free port of the loopback interface."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._arrived: asyncio.Queue[Arrival] = asyncio.Queue()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.add_routes([web.post("/webhooks/scorm", self._receive)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, shutdown_timeout=1).start()
        self.url = "http://{}:{}/webhooks/scorm".format(*self._runner.addresses[0][:2])

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def next_arrival(self) -> Arrival:
        return await self._arrived.get()

    def forget_arrivals(self) -> None:
        """For who does not look at them: a site that stays up must not gather them for ever."""
        while not self._arrived.empty():
            self._arrived.get_nowait()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        verified = verify(self._secret, body, dict(request.headers))
        event = json.loads(body)
        self._arrived.put_nowait(Arrival(event["event"], event["delivery_id"], time.time(), verified))
        return web.Response(text="OK") if verified else web.Response(status=401, text="Invalid signature")


def verify(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    """Both schemes: the guide's hex HMAC of the body, and Standard Webhooks' of `id.timestamp.body`."""
    ours = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    standard = "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(ours, headers["X-Allure-Signature"]) and any(
        hmac.compare_digest(standard, candidate) for candidate in headers["webhook-signature"].split()
    )
