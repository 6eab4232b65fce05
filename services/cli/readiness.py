"""Asks services whether they are ready: at the addresses that the settings say, or that an option names."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import orjson
import typer
from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

from shared.errors import StartupError
from shared.settings import (
    ApiSettings,
    DeliverySettings,
    FanoutSettings,
    IngestSettings,
    SchedulerSettings,
    load,
)

SERVICES = ("ingest", "fanout", "delivery", "scheduler", "api")
_PATIENCE = ClientTimeout(total=4)  # a service itself asks its servers for two seconds

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--service", metavar="NAME=URL", help="Where a service is, if not where the settings say; repeatable."
    ),
]


class Health(StrEnum):
    READY = "ready"
    NOT_READY = "not ready"
    UNREACHABLE = "unreachable"
    OTHER = "something else"
    UNKNOWN = "address unknown"


@dataclass(frozen=True, slots=True)
class Address:
    """`url` None: the service takes a free port, and nobody knows which. `given`: by an option."""

    service: str
    url: URL | None
    given: bool = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """`detail`: what keeps it from being ready."""

    address: Address
    health: Health
    detail: str | None = None


def addresses(overrides: Sequence[str] | None) -> list[Address]:
    """One or more of each service. Raises StartupError."""
    given = [_given(text) for text in overrides or ()]
    named = {address.service for address in given}
    return [*(_configured(service) for service in SERVICES if service not in named), *given]


async def ask(wanted: Iterable[Address]) -> list[Readiness]:
    async with ClientSession(timeout=_PATIENCE) as http:
        return await asyncio.gather(*(_ask(http, address) for address in wanted))


async def _ask(http: ClientSession, address: Address) -> Readiness:
    if address.url is None:
        return Readiness(address, Health.UNKNOWN, "it takes a free port: name it with --service")
    try:
        async with http.get(address.url / "readyz", allow_redirects=False) as response:
            return _read(address, response.status, await response.content.read(64 * 1024))
    except TimeoutError:
        return Readiness(address, Health.UNREACHABLE, "no answer in time")
    except (ClientError, OSError) as error:
        reason = getattr(error, "os_error", error)
        return Readiness(address, Health.UNREACHABLE, getattr(reason, "strerror", None) or type(error).__name__)


def _read(address: Address, status: int, body: bytes) -> Readiness:
    try:
        told = orjson.loads(body)
        name, failed = told["service"], told["failed"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Readiness(address, Health.OTHER, f"what answers there is no service of ours (status {status})")
    if name != address.service:
        return Readiness(address, Health.OTHER, f"it is {name}")
    if status == 200:
        return Readiness(address, Health.READY)
    return Readiness(address, Health.NOT_READY, "; ".join(f"{part}: {words}" for part, words in failed.items()))


def _given(text: str) -> Address:
    name, _, url = text.partition("=")
    try:
        parsed = URL(url)
    except ValueError:
        parsed = URL()
    if name not in SERVICES or parsed.scheme not in ("http", "https") or not parsed.host:
        raise StartupError(f"--service: {text!r:.80} is not like api=http://127.0.0.1:8080, of {', '.join(SERVICES)}")
    return Address(name, parsed.origin(), given=True)


def listening(service: str) -> tuple[str, int]:
    """Where it listens by its settings. Raises StartupError."""
    match service:
        case "ingest":
            ingest = load(IngestSettings)
            return ingest.ingest_host, ingest.ingest_port
        case "fanout":
            fanout = load(FanoutSettings)
            return fanout.fanout_host, fanout.fanout_port
        case "delivery":
            delivery = load(DeliverySettings)
            return delivery.delivery_host, delivery.delivery_port
        case "scheduler":
            scheduler = load(SchedulerSettings)
            return scheduler.scheduler_host, scheduler.scheduler_port
        case _:
            api = load(ApiSettings)
            return api.api_host, api.api_port


def _configured(service: str) -> Address:
    host, port = listening(service)
    if not port:
        return Address(service, None)
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # listening on all
    return Address(service, URL.build(scheme="http", host=reached, port=port))
