"""Makes commands of functions that ask a service, and finds the service's address and the key."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from inspect import Parameter
from pathlib import Path
from typing import Any, Concatenate, Literal, NamedTuple, ParamSpec

import typer
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

from services.cli.choice import KeyFile
from services.cli.client import Address, Client
from services.cli.inputs import secret_in
from services.cli.options import offer, parameters
from services.cli.readiness import configured
from services.cli.running import run
from shared import VERSION
from shared.errors import StartupError
from shared.settings import ApiSettings, ClientSettings, load

P = ParamSpec("P")
Service = Literal["api", "ingest"]
Command = Callable[Concatenate[Client, P], Awaitable[int]]
_TIMEOUT = ClientTimeout(total=60)  # ingest itself gives up after thirty
_KEY_FILE = Parameter("key_file", Parameter.KEYWORD_ONLY, default=None, annotation=KeyFile)
_NO_KEY = "no API key: set DISPATCHER_API_KEY, or DISPATCHER_ADMIN_KEY to the operator's, or say --key-file"
CODES = """
**Exit code**: 0 when it is done; 1 when there is no such thing, it was refused, or the service is away; 2 for arguments
or settings that cannot be used, the key among them; 130 after Ctrl-C.
"""


class Key(NamedTuple):
    text: str
    found_in: str


def asks(app: typer.Typer, name: str, help_: str, *, of: Service = "api") -> Callable[[Command[P]], Command[P]]:
    """A command of the function's options and `--key-file`; the function answers the exit code."""

    def register(command: Command[P]) -> Command[P]:
        def ask(*, key_file: Path | None, **given: Any) -> None:
            async def work(stopped: asyncio.Event) -> int:
                async with _client(of, key_file, stopped) as client:
                    return await command(client, **given)  # type: ignore[call-arg]  # checked by Typer

            run(work)

        app.command(name, help=help_ + CODES)(offer(ask, [*parameters(command)[1:], _KEY_FILE]))
        return command

    return register


@asynccontextmanager
async def _client(service: Service, key_file: Path | None, stopped: asyncio.Event) -> AsyncIterator[Client]:
    key, url = key_given(key_file), url_of(service)
    address = Address(url=url, variable=_variable(service), key_from=key.found_in)
    headers = {"X-API-Key": key.text, "User-Agent": f"webhook-dispatcher-cli/{VERSION}"}
    async with ClientSession(headers=headers, timeout=_TIMEOUT, cookie_jar=DummyCookieJar()) as http:
        yield Client(http, address, stopped)


def url_of(service: Service) -> str:
    """Where the settings say that commands find it, else where they say that it listens. Raises StartupError."""
    said = getattr(load(ClientSettings), f"{service}_url")
    return usable_url(_variable(service), said or str(configured(service).url or ""))


def _variable(service: Service) -> str:
    return f"DISPATCHER_{service.upper()}_URL"


def usable_url(name: str, text: str) -> str:
    """Raises StartupError, which begins with the name."""
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host or url.user or url.query or url.fragment:
        raise StartupError(f"{name}: an address such as http://127.0.0.1:8080 is needed")
    return text.rstrip("/")


def key_given(key_file: Path | None) -> Key:
    """The first that is there: `--key-file`, the variable for a key, the operator's. Raises StartupError."""
    settings = load(ClientSettings)
    if key_file is not None:
        key = Key(secret_in("--key-file", key_file), f"--key-file {key_file}")
    elif settings.api_key.get_secret_value():
        key = Key(settings.api_key.get_secret_value(), "DISPATCHER_API_KEY")
    else:
        key = Key(load(ApiSettings).admin_key.get_secret_value(), "DISPATCHER_ADMIN_KEY")
    if not key.text:
        raise StartupError(_NO_KEY)
    if not re.fullmatch(r"[\x21-\x7e]+", key.text):  # it is not quoted
        raise StartupError(f"{key.found_in}: holds characters that no API key has")
    return key
