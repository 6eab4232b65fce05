"""Two ways to publish an event: to RabbitMQ, or through ingest. Each returns once it is safe."""

from collections.abc import Awaitable, Callable

from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

from shared.broker.publisher import Publisher
from shared.broker.topology import EVENTS
from shared.errors import DependencyUnavailable, StartupError

Send = Callable[[bytes], Awaitable[None]]
"""Raises DependencyUnavailable when it may be tried again, StartupError when that would not help."""

_HTTP_TIMEOUT = ClientTimeout(total=35)
_TRY_AGAIN = (429, 503)


def over_amqp(publisher: Publisher, event_type: str) -> Send:
    async def send(body: bytes) -> None:
        await publisher.publish(EVENTS, event_type, body)

    return send


def http_session(key: str) -> ClientSession:
    return ClientSession(timeout=_HTTP_TIMEOUT, headers={"X-API-Key": key, "Content-Type": "application/json"})


def over_http(http: ClientSession, ingest: URL) -> Send:
    url = ingest / "api/v1/events"

    async def send(body: bytes) -> None:
        try:
            async with http.post(url, data=body, allow_redirects=False) as response:
                answer = await response.content.read(2_000)
        except (ClientError, TimeoutError, OSError) as error:
            raise DependencyUnavailable(f"ingest at {ingest}: {type(error).__name__}: {error}") from error
        words = f"ingest at {ingest} answered {response.status}: {answer.decode(errors='replace'):.300}"
        if response.status in _TRY_AGAIN:
            raise DependencyUnavailable(words)
        if response.status != 202:
            raise StartupError(words)

    return send
