"""Why a TLS handshake failed, in words; for a certificate that was refused, with what stands in it."""

import asyncio
import socket
import ssl
from collections.abc import Callable

from aiohttp import AddrInfoType
from cryptography import x509

from services.delivery.wire import Exchange

LOOK_SECONDS = 5
_HOST_MISMATCH = (62, 64)
_EXPIRED, _NOT_YET = 10, 9
_BY_CODE = {
    18: "the certificate is signed by itself, not by a public authority",
    19: "the certificates end in an authority that is not trusted here",
    20: "the issuer of the certificate is not known here: it is no public authority, or the server leaves out an "
    "intermediate certificate",
    21: "the issuer of the certificate is not known here",
}
_BY_REASON = {
    "WRONG_VERSION_NUMBER": "what listens there does not speak TLS",
    "HTTP_REQUEST": "what listens there does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "the server offers no version of TLS from 1.2 on",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server offers no version of TLS from 1.2 on",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server refused: it has no cipher in common with us, or wants a certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server asks for a client certificate, and this dispatcher has none",
    "TLSV1_UNRECOGNIZED_NAME": "the server does not know this host name",
    "UNEXPECTED_EOF_WHILE_READING": "the server closed the connection during the handshake",
}


def handshake_words(error: ssl.SSLError, exchange: Exchange) -> str:
    reason = getattr(error, "reason", None) or "NO_REASON_GIVEN"
    told = _BY_REASON.get(reason, f"the handshake failed ({reason.lower().replace('_', ' ')})")
    return f"no TLS with {exchange.url.host}: {told}"


def certificate_words(error: Exception, exchange: Exchange) -> str:
    code = getattr(error, "verify_code", 0)
    shown = exchange.shown
    if code in _HOST_MISMATCH:
        names = f"for {_names(shown)}, not" if shown else "not"
        return f"the certificate is {names} for {exchange.url.host}"
    if code == _EXPIRED:
        return "the certificate expired" + (f" on {shown.not_valid_after_utc:%Y-%m-%d}" if shown else "")
    if code == _NOT_YET:
        return "the certificate is not valid yet" + (f", until {shown.not_valid_before_utc:%Y-%m-%d}" if shown else "")
    told = getattr(error, "verify_message", "it was refused")
    return _BY_CODE.get(code, f"the certificate is not accepted: {told}")


async def shown_certificate(exchange: Exchange, make_socket: Callable[[AddrInfoType], socket.socket]) -> None:
    """Puts the certificate that was refused into the exchange: Python does not show it, so a second handshake does.

    To the very same address, through the same guard; nothing is sent. Without an answer nothing is put.
    """
    assert exchange.address, "a handshake has a peer"
    made = make_socket(exchange.address)
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await asyncio.get_running_loop().sock_connect(made, exchange.address[4])
            data = await _certificate(made, exchange.url.host or "")
        exchange.shown = x509.load_der_x509_certificate(data)
    except (OSError, ValueError):
        pass  # the words do without it; a time limit's error is an OSError as well
    finally:
        made.close()


async def _certificate(made: socket.socket, host: str) -> bytes:
    """DER, as it was shown; raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    transport, _ = await asyncio.get_running_loop().create_connection(
        asyncio.Protocol, sock=made, ssl=context, server_hostname=host
    )
    try:
        data: bytes = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return data
    finally:
        transport.abort()


def _names(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return "no name"
    found = [str(name) for name in names.get_values_for_type(x509.DNSName)]
    found += [str(name) for name in names.get_values_for_type(x509.IPAddress)]
    return ", ".join(found[:3]) + (", …" if len(found) > 3 else "") or "no name"
