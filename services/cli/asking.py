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


class _Key(NamedTuple):
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
    settings = load(ClientSettings)
    key = _key(settings, key_file)
    variable = f"DISPATCHER_{service.upper()}_URL"
    address = Address(url=_url(variable, getattr(settings, f"{service}_url")), variable=variable, key_from=key.found_in)
    headers = {"X-API-Key": key.text, "User-Agent": f"webhook-dispatcher-cli/{VERSION}"}
    async with ClientSession(headers=headers, timeout=_TIMEOUT, cookie_jar=DummyCookieJar()) as http:
        yield Client(http, address, stopped)


def _url(variable: str, text: str) -> str:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host or url.user or url.query or url.fragment:
        raise StartupError(f"{variable}: an address such as http://127.0.0.1:8080 is needed")
    return text.rstrip("/")


def _key(settings: ClientSettings, key_file: Path | None) -> _Key:
    """The first that is there: `--key-file`, the variable for a key, the operator's."""
    if key_file is not None:
        key = _Key(secret_in("--key-file", key_file), f"--key-file {key_file}")
    elif settings.api_key.get_secret_value():
        key = _Key(settings.api_key.get_secret_value(), "DISPATCHER_API_KEY")
    else:
        key = _Key(load(ApiSettings).admin_key.get_secret_value(), "DISPATCHER_ADMIN_KEY")
    if not key.text:
        raise StartupError(_NO_KEY)
    if not re.fullmatch(r"[\x21-\x7e]+", key.text):  # it is not quoted
        raise StartupError(f"{key.found_in}: holds characters that no API key has")
    return key
