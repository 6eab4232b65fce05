"""The way to customers' endpoints: exceptions, proxy, certificates, and name servers that answer."""

import asyncio
import socket
from collections.abc import AsyncIterator

from services.cli.checks.finding import Check, Finding, failed, ok, unchecked, warning
from services.cli.checks.tls import certificates_in, judged
from shared import wiring
from shared.errors import StartupError
from shared.lookup import Lookup, LookupFailed, NoSuchName
from shared.network import Network
from shared.settings import EgressSettings, load

_CHECK, _NAMES = "egress", "name server"
_LOOKUP_SECONDS = 5
_PROXY_SECONDS = 5


def checking(name: str) -> Check:
    """`name`: what name servers are asked for."""

    async def check() -> AsyncIterator[Finding]:
        try:
            settings = load(EgressSettings)
            wiring.egress()
            network = Network.of(settings)
        except StartupError as error:
            yield failed(_CHECK, str(error), _remedy(str(error)))
            yield unchecked(_NAMES, "the egress settings cannot be used")
            return
        yield ok(_CHECK, _told(settings, network))
        for finding in _certificates(settings):
            yield finding
        if network.proxy:
            yield await _proxy(network.proxy.host or "", network.proxy.port or 80)
        for server in network.dns_servers or (None,):
            yield await _asked(server, name)

    return check


def _told(settings: EgressSettings, network: Network) -> str:
    exceptions = f"public addresses and {settings.egress_allow}" if settings.egress_allow else "public addresses only"
    scheme = "http and https" if settings.allow_http else "https only"
    return f"{exceptions}, {scheme}{', through the proxy' if network.proxy else ''}"


def _remedy(words: str) -> str:
    return f"set {words.partition(':')[0]} as deploy/.env.example says; files have to be readable by this user"


def _certificates(settings: EgressSettings) -> list[Finding]:
    """Of files that could be loaded."""
    files = {
        "egress authorities": settings.egress_ca_file,
        "egress client certificate": settings.egress_client_cert_file,
    }
    variables = ("DISPATCHER_EGRESS_CA_FILE", "DISPATCHER_EGRESS_CLIENT_CERT_FILE")
    return [
        judged(check, certificates_in(file), f"put a newer one into {file}, which {variable} names")
        for (check, file), variable in zip(files.items(), variables, strict=True)
        if file
    ]


async def _proxy(host: str, port: int) -> Finding:
    try:
        async with asyncio.timeout(_PROXY_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        words = f"no connection to {host}:{port}: {error or 'no answer'}"
        return failed("egress proxy", words, "start the proxy, or set DISPATCHER_EGRESS_PROXY")
    writer.close()
    return ok("egress proxy", f"{host}:{port} takes connections")


async def _asked(server: str | None, name: str) -> Finding:
    check = f"{_NAMES} {server or 'of the system'}"
    remedy = (
        "DISPATCHER_DNS_SERVERS=ip of one that answers" if server else "see /etc/resolv.conf, or DISPATCHER_DNS_SERVERS"
    )
    lookup = Lookup([server] if server else [])
    try:
        async with asyncio.timeout(_LOOKUP_SECONDS):
            found = await lookup.resolve(name, family=socket.AF_UNSPEC)
    except NoSuchName as error:
        return warning(check, str(error), "ask for a name that has to be known: doctor --name hooks.example.com")
    except LookupFailed as error:
        return failed(check, str(error), remedy)
    except TimeoutError:
        return failed(check, f"no answer within {_LOOKUP_SECONDS} s", remedy)
    finally:
        await lookup.close()
    return ok(check, f"{name} is {found[0]['host']}")
