"""How long certificates are good: those of servers, and those in files."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from yarl import URL

from services.cli.checks.finding import Finding, failed, ok, warning

_SOON = timedelta(days=14)
_PATIENCE_SECONDS = 5


async def certificate_of(server: str, url: URL, tls: bool, port: int) -> AsyncIterator[Finding]:
    """Only when it is; whether it is trusted is for who connects to it, and nothing is said here where that fails."""
    check = f"{server} certificate"
    if not tls or not url.host:
        return
    try:
        shown = await _shown(url.host, url.explicit_port or port)
    except (OSError, TimeoutError, ssl.SSLError, ValueError):
        return
    yield judged(check, [shown], "renew the certificate of the server")


async def _shown(host: str, port: int) -> x509.Certificate:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # to be looked at, whatever it is
    async with asyncio.timeout(_PATIENCE_SECONDS):
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown)
    finally:
        writer.transport.abort()


def certificates_in(file: str) -> list[x509.Certificate]:
    """Raises OSError; ValueError for what is not PEM."""
    return x509.load_pem_x509_certificates(Path(file).read_bytes())


def judged(check: str, certificates: Iterable[x509.Certificate], remedy: str) -> Finding:
    """By the one that ends first."""
    first = min(certificates, key=lambda one: one.not_valid_after_utc)
    now, until = datetime.now(UTC), first.not_valid_after_utc
    name = first.subject.rfc4514_string()
    if first.not_valid_before_utc > now:
        return failed(check, f"{name} is not valid before {first.not_valid_before_utc:%Y-%m-%d}", remedy)
    if until < now:
        return failed(check, f"{name} expired on {until:%Y-%m-%d}", remedy)
    if until < now + _SOON:
        return warning(check, f"{name} expires on {until:%Y-%m-%d}", remedy)
    return ok(check, f"{name} is valid until {until:%Y-%m-%d}")
