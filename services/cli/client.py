"""Asks a service over HTTP: waits where it is told to, tries again what may be repeated, and ends with Ctrl-C."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
import orjson
from aiohttp import ClientConnectorError, ClientError, ClientSession
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from yarl import URL

from services.cli.pace import pause
from services.cli.refusal import Away, Busy, refusal
from services.cli.running import complain, unless_stopped
from services.cli.showing import harmless

_ATTEMPTS = 4
_MOST_OF_A_PAGE = 200
_UNKNOWN = "stopped while a change was under way: it may have been made or not"


def path(*parts: str) -> str:
    """`/api/v1/…`; ids are what people typed."""
    return "/api/v1/" + "/".join(quote(part, safe="") for part in parts)


@dataclass(frozen=True, slots=True)
class Answer:
    """As it came: numbers in it may be larger than a parser keeps."""

    raw: bytes

    @property
    def json(self) -> dict[str, Any]:
        answer: dict[str, Any] = orjson.loads(self.raw)
        return answer

    @property
    def indented(self) -> str:
        return harmless(msgspec.json.format(self.raw, indent=2).decode())


@dataclass(frozen=True, slots=True)
class Rows:
    """The newest of a list; `more`: there are others behind them."""

    rows: list[dict[str, Any]]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Of a service. `variable` names it in the settings, `key_from` says where the key was found."""

    url: str
    variable: str
    key_from: str

    def __str__(self) -> str:
        return f"{self.url} ({self.variable})"


class Client:
    """Of one service. What is refused is a DispatcherError of one line, what was stopped is Interrupted."""

    def __init__(self, http: ClientSession, address: Address, stopped: asyncio.Event) -> None:
        self._http = http
        self._address = address
        self.stopped = stopped

    async def get(self, at: str, **query: Any) -> Answer:
        """Without the parameters that are None."""
        given = {name: str(value) for name, value in query.items() if value is not None}
        return await self._until_answered(lambda: self._once("GET", at, "stopped", params=given), Away)

    async def rows(self, at: str, name: str, limit: int, **query: Any) -> Rows:
        """The newest `limit` of a list, page by page."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            most = min(limit - len(found), _MOST_OF_A_PAGE)
            page = (await self.get(at, limit=most, cursor=cursor, **query)).json
            found += page[name]
            cursor = page["next_cursor"]
            if cursor is None or len(found) >= limit:
                return Rows(found, more=cursor is not None)

    async def change(
        self, method: str, at: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Sent once, unless it is known that nothing was done."""
        data = None if body is None else msgspec.json.encode(body)
        return await self._until_answered(lambda: self._sent(method, at, data, headers), Busy)

    async def repeatable(self, method: str, at: str, data: bytes, *, headers: Mapping[str, str]) -> Answer:
        """A change that may be sent again, being the same one."""
        return await self._until_answered(lambda: self._sent(method, at, data, headers), Away)

    async def _sent(self, method: str, at: str, data: bytes | None, headers: Mapping[str, str] | None) -> Answer:
        kind = {"Content-Type": "application/json", **(headers or {})}
        return await self._once(method, at, _UNKNOWN, data=data, headers=kind)

    async def _until_answered(self, ask: Callable[[], Awaitable[Answer]], again: type[Away]) -> Answer:
        async def once() -> Answer:
            return await ask()

        return await AsyncRetrying(
            retry=retry_if_exception_type(again),
            wait=_as_told,
            stop=stop_after_attempt(_ATTEMPTS),
            sleep=self._rest,
            reraise=True,
        )(once)

    async def _rest(self, seconds: float) -> None:
        await pause(seconds, self.stopped)

    async def _once(self, method: str, at: str, if_stopped: str, **more: Any) -> Answer:
        return await unless_stopped(self._request(method, at, **more), self.stopped, if_stopped)

    async def _request(self, method: str, at: str, **more: Any) -> Answer:
        url = URL(f"{self._address.url}{at}", encoded=True)
        try:
            async with self._http.request(method, url, allow_redirects=False, **more) as response:
                raw, status, headers = await response.read(), response.status, response.headers
        except ClientConnectorError as error:
            raise Away(f"{self._address}: {error}") from None
        except (ClientError, OSError) as error:
            unknown = "" if method == "GET" else "; the change may have been made or not"
            raise Away(f"{self._address}: {error or 'no answer in time'}{unknown}") from None
        if status < 300:
            return Answer(raw)
        raise refusal(status, raw, headers, where=str(self._address), key_from=self._address.key_from)


def _as_told(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, Away)
    if isinstance(error, Busy):
        complain(f"{error}; waiting {error.wait_seconds} s")
    return error.wait_seconds
