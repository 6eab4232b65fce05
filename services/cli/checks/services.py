"""Are the services ready, and could those that do not run listen where they shall?"""

import errno
import os
import socket
from collections.abc import AsyncIterator, Sequence

from services.cli.checks.finding import Check, Finding, failed, ok, unchecked, warning
from services.cli.readiness import SERVICES, Address, Health, Readiness, addresses, ask, listening
from shared.errors import StartupError


def checking(overrides: Sequence[str] | None) -> Check:
    async def check() -> AsyncIterator[Finding]:
        try:
            wanted = addresses(overrides)
        except StartupError as error:
            for service in SERVICES:
                yield unchecked(f"service {service}", f"settings cannot be used: {error}")
            return
        for one in await ask(wanted):
            yield _judged(one)

    return check


def _judged(one: Readiness) -> Finding:
    service, url = one.address.service, one.address.url
    check = f"service {service}"
    match one.health:
        case Health.READY:
            return ok(check, f"ready at {url}")
        case Health.NOT_READY:
            return failed(
                check, f"not ready at {url}: {one.detail}", "what it names is judged above; its log says more"
            )
        case Health.OTHER:
            return failed(check, f"{url}: {one.detail}", _another_port(service))
        case Health.UNKNOWN:
            return unchecked(check, one.detail)
        case Health.UNREACHABLE:
            return _unreachable(one.address, one.detail or "")


def _unreachable(address: Address, detail: str) -> Finding:
    check, elsewhere = f"service {address.service}", f"--service {address.service}=http://host:port if it is elsewhere"
    if address.given:
        return failed(check, f"no answer at {address.url}: {detail}", f"start it: python -m services.{address.service}")
    host, port = listening(address.service)
    match _bound(host, port):
        case None:
            found = f"nothing listens at {address.url}, where it could"
            return warning(check, found, f"python -m services.{address.service}; {elsewhere}")
        case errno.EADDRINUSE:
            return failed(check, f"port {port} is held by what is no service: {detail}", _another_port(address.service))
        case errno.EADDRNOTAVAIL:
            found = f"{host} is no address of this machine"
            return warning(check, found, f"DISPATCHER_{address.service.upper()}_HOST=0.0.0.0; {elsewhere}")
        case number:
            return failed(
                check, f"cannot listen on {host}:{port}: {os.strerror(number)}", _another_port(address.service)
            )


def _bound(host: str, port: int) -> int | None:
    """Why nobody could listen there; None when one could."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return None
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL


def _another_port(service: str) -> str:
    return f"DISPATCHER_{service.upper()}_PORT=a free one"
