"""Pages that follow what happens while somebody looks: a stream of fragments, one whenever there is something new."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import aiohttp_jinja2
import structlog
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from services.api.dashboard.session import csrf_token
from services.api.dashboard.visit import Visit
from shared.errors import DependencyUnavailable, Refused
from shared.store.keys import Keys

log = structlog.get_logger()

_OVER = "over"  # the name of the event behind which pages do not come again


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be seen. `mark` differs when it does; `over`: it will not change any more."""

    mark: object
    context: dict[str, object]
    over: bool = False


class Live:
    """At most `at_once` streams, `of_one` of them of one key, so that nobody takes them all; each asks the database
    `every` so often, and ends after `longest`: pages come back.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        at_once: int = 200,
        of_one: int = 20,
        every: timedelta = timedelta(seconds=1),
        longest: timedelta = timedelta(minutes=10),
    ) -> None:
        self._keys = keys
        self._at_once = at_once
        self._every = every.total_seconds()
        self._looks = int(longest / every)
        self._of_one = of_one
        self._open: Counter[str] = Counter()  # by key
        self._stopping = asyncio.Event()

    async def stop(self, app: web.Application) -> None:
        """Streams would hold up the end of the process."""
        self._stopping.set()

    async def follow(self, visit: Visit, template: str, look: Callable[[], Awaitable[Look]]) -> web.StreamResponse:
        """Fragments made of `template`, the first at once, so that nothing is missed since the page was made."""
        if self._open.total() >= self._at_once or self._open[visit.key.id] >= self._of_one:
            raise Refused(503, "SERVICE_UNAVAILABLE", "too many pages follow what happens: reload this one instead")
        self._open[visit.key.id] += 1
        try:
            await look()  # what is refused is refused as a page
            async with sse_response(visit.request) as stream:
                await self._send_safely(stream, visit, template, look)
            return stream
        finally:
            self._open[visit.key.id] -= 1
            self._open += Counter()  # keys that follow nothing are forgotten

    async def _send_safely(
        self, stream: EventSourceResponse, visit: Visit, template: str, look: Callable[[], Awaitable[Look]]
    ) -> None:
        """An answer has begun: whatever happens, there cannot be another one."""
        try:
            await self._send(stream, visit, template, look)
        except (ConnectionResetError, TimeoutError):
            log.debug("live.left", path=visit.request.path)
        except Exception:
            log.exception("request.failed", path=visit.request.path)

    async def _send(
        self, stream: EventSourceResponse, visit: Visit, template: str, look: Callable[[], Awaitable[Look]]
    ) -> None:
        """Says that it is over when there will be nothing more to see."""
        mark: object = None
        for _ in range(self._looks):
            # Who left is noticed here: the stream itself would notice with its next ping.
            if self._stopping.is_set() or not stream.is_connected() or visit.request.transport is None:
                return
            try:
                await self._keys.holder(visit.session["key"])
                seen = await look()
            except DependencyUnavailable:
                await self._pause()
                continue
            except Refused:  # its key was revoked, or what it shows is gone
                break
            if seen.mark != mark:
                mark = seen.mark
                await stream.send(_rendered(visit, template, seen))
            if seen.over:
                break
            await self._pause()
        else:
            return  # the page comes back, and goes on
        await stream.send("", event=_OVER)

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), self._every)
        except TimeoutError:
            return


def _rendered(visit: Visit, template: str, seen: Look) -> str:
    shown = {"visit": visit, "csrf": csrf_token(visit.session), "fresh": True, **seen.context}
    return aiohttp_jinja2.render_string(template, visit.request, shown)
