"""Sends one event of each type through a running site and shows each arriving at the sample endpoint, verified."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import ClientSession
from rich.console import Console
from rich.table import Table

from deploy.local.sample import Arrival
from deploy.local.site import TENANT, SiteFailed
from shared.contracts.event_types import EVENT_TYPES, GUIDE_TYPES
from shared.times import at, iso

ARRIVAL_SECONDS = 30
_DESCRIPTION = "the sample endpoint of this machine"


class Shown(Protocol):
    """A running site, wherever it runs."""

    @property
    def admin_key(self) -> str: ...

    @property
    def sample_secret(self) -> str: ...

    @property
    def where_logs_are(self) -> str: ...

    def url(self, name: str) -> str:
        """Of `api` or `ingest`."""


class Endpoint(Protocol):
    @property
    def url(self) -> str:
        """As the delivery workers know it."""

    async def next_arrival(self) -> Arrival: ...


async def show(site: Shown, endpoint: Endpoint) -> None:
    """Raises SiteFailed unless every event type is delivered and verified."""
    async with ClientSession(headers={"X-API-Key": site.admin_key}) as http:
        await _subscribe(http, site, endpoint)
        published = {name: await _publish(http, site, name) for name in GUIDE_TYPES}
    table = Table("event type", "publish → delivered", "signatures", title="one event of each type")
    waiting = set(published)
    try:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while waiting:
                arrival = await endpoint.next_arrival()
                if arrival.event not in waiting:
                    continue  # left over from an earlier run on the same data
                if not arrival.verified:
                    raise SiteFailed(f"{arrival.event} arrived, but its signature does not verify")
                waiting.discard(arrival.event)
                milliseconds = (arrival.at - published[arrival.event]) * 1000
                table.add_row(arrival.event, f"{milliseconds:.0f} ms", "verified")
    except TimeoutError:
        missing = ", ".join(sorted(waiting))
        raise SiteFailed(f"not delivered in {ARRIVAL_SECONDS} s: {missing}; {site.where_logs_are}") from None
    finally:
        Console().print(table)


async def _subscribe(http: ClientSession, site: Shown, endpoint: Endpoint) -> None:
    """One webhook for all types; one of an earlier run is pointed at the endpoint's new port."""
    webhooks = site.url("api") + "/api/v1/webhooks"
    listed = await _call(http, "GET", webhooks + f"?tenant_id={TENANT}&limit=200", 200)
    mine = [webhook["id"] for webhook in listed["webhooks"] if webhook["description"] == _DESCRIPTION]
    if mine:
        await _call(http, "PATCH", f"{webhooks}/{mine[0]}", 200, {"url": endpoint.url, "is_active": True})
        return
    wanted = {"tenant_id": TENANT, "url": endpoint.url, "event_types": GUIDE_TYPES}
    wanted |= {"secret": site.sample_secret, "description": _DESCRIPTION}
    await _call(http, "POST", webhooks, 201, wanted)


async def _publish(http: ClientSession, site: Shown, event_type: str) -> float:
    now = time.time()
    event = {
        "event": event_type,
        "tenant_id": TENANT,
        "data": EVENT_TYPES[event_type].example,
        "timestamp": iso(at(now)),
    }
    await _call(http, "POST", site.url("ingest") + "/api/v1/events", 202, event)
    return now


async def _call(
    http: ClientSession, method: str, url: str, expected: int, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    async with http.request(method, url, json=body) as response:
        text = await response.text()
        if response.status != expected:
            raise SiteFailed(f"{method} {url} answered {response.status}: {text}")
        answer: dict[str, Any] = json.loads(text)
        return answer
