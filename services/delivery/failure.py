"""Says in plain words why there is no answer: the kind for the history, and what happened with its specifics."""

import errno
import os
import re
import ssl

import aiohttp

from services.delivery.handshake import certificate_words, handshake_words
from services.delivery.outcome import Answer
from services.delivery.wire import Exchange
from shared.contracts.failure import ErrorKind
from shared.lookup import BlockedAddress, LookupFailed

_MOST_CHARACTERS = 300
_PROXY = "the proxy of this dispatcher"
_LIMITS = (
    (re.compile(r"Got more than (\d+) bytes when reading"), "a line of its head is longer than {} bytes"),
    (re.compile(r"Too many headers"), "it has more than 128 headers"),
)
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH)
_HUNG_UP = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)
_Judged = tuple[ErrorKind, str]


def failed(exchange: Exchange, error: Exception) -> Answer:
    """`error` is what aiohttp raised for this exchange."""
    kind, words = _judged(exchange, error)
    return Answer(error=kind, detail=words[:_MOST_CHARACTERS])


def late(exchange: Exchange, limit_seconds: float) -> Answer:
    """The time was over before the answer was complete."""
    if exchange.refused:
        return failed(exchange, exchange.refused)
    within = f"within {limit_seconds:g} s"
    if exchange.wire is None:  # one has a length, which is 0
        if not exchange.address:
            return Answer(error=ErrorKind.DNS, detail=f"no name server had an answer for {exchange.url.host} {within}")
        return Answer(error=ErrorKind.TIMEOUT, detail=f"no connection to {exchange.peer} {within}")
    if not exchange.wire.received:
        return Answer(error=ErrorKind.TIMEOUT, detail=f"connected, but no answer came {within}")
    came = f"{_size(exchange.body_bytes)} of the body" if exchange.wire.answered else "a part of its head"
    return Answer(error=ErrorKind.TIMEOUT, detail=f"no complete answer {within}; {came} had come")


def _judged(exchange: Exchange, error: Exception) -> _Judged:
    match error:
        case BlockedAddress():
            return ErrorKind.BLOCKED_ADDRESS, str(error)
        case LookupFailed():
            return ErrorKind.DNS, str(error)
        case aiohttp.ClientHttpProxyError():
            return ErrorKind.CONNECT, f"{_PROXY} refused the connection: {error.status} {error.message}"
        case aiohttp.ClientConnectorCertificateError():
            return ErrorKind.TLS, certificate_words(error.certificate_error, exchange)
        case aiohttp.ClientConnectorError():
            return _not_connected(exchange, error)
        case aiohttp.ClientResponseError():
            return ErrorKind.MALFORMED_ANSWER, f"the answer is not well-formed HTTP: {_parser_words(error.message)}"
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | OSError():
            return _broken_off(exchange, error)
        case _:
            return ErrorKind.MALFORMED_ANSWER, "the answer could not be made sense of"


def _not_connected(exchange: Exchange, error: aiohttp.ClientConnectorError) -> _Judged:
    cause = error.os_error
    if isinstance(error, aiohttp.ClientProxyConnectionError) or (exchange.proxied and isinstance(cause, LookupFailed)):
        return ErrorKind.CONNECT, f"{_PROXY} cannot be reached ({_reason(cause)}); this is our fault"
    if isinstance(cause, BlockedAddress | LookupFailed):
        return _judged(exchange, cause)
    if isinstance(cause, ssl.SSLError):
        return ErrorKind.TLS, handshake_words(cause, exchange)
    if cause.errno in _HUNG_UP or (cause.errno is None and isinstance(cause, ConnectionError)):
        if exchange.url.scheme == "https":
            return ErrorKind.TLS, f"{exchange.peer} closed the connection during the TLS handshake"
        return ErrorKind.RESET, f"{exchange.peer} reset the connection as soon as it was made"
    if cause.errno == errno.ECONNREFUSED:
        return ErrorKind.CONNECT, f"nothing listens at {exchange.peer} (connection refused)"
    if cause.errno in _NO_ROUTE:
        return ErrorKind.CONNECT, f"there is no way to {exchange.peer} from here ({_reason(cause)})"
    return ErrorKind.CONNECT, f"no connection to {exchange.peer} ({_reason(cause)})"


def _broken_off(exchange: Exchange, error: Exception) -> _Judged:
    """The connection ended, or what came over it could not be read on, before the answer was complete."""
    wire, cause = exchange.wire, error.__cause__
    if wire is not None and wire.excess:
        return ErrorKind.MALFORMED_ANSWER, f"the answer is more than we read: {wire.excess}"
    if isinstance(cause, ssl.SSLError):
        return ErrorKind.TLS, handshake_words(cause, exchange)
    if wire is None or not wire.received:
        return ErrorKind.RESET, "the connection ended without an answer"
    return ErrorKind.RESET, f"the connection ended in the middle of the answer, after {_size(wire.received)}"


def _parser_words(message: str) -> str:
    """The parser's words, without its drawing of where it stopped."""
    for pattern, words in _LIMITS:
        if found := pattern.search(message):
            return words.format(*found.groups())
    lines = [line.strip() for line in message.splitlines()]
    told = [line for line in lines if line.strip("^") and not line.startswith("Bad status line")]
    return ": ".join(_unquoted(line.rstrip(":")) for line in told) or "it cannot be read"


def _unquoted(line: str) -> str:
    return f"“{line[2:-1]}”" if re.fullmatch(r"b'.*'|b\".*\"", line) else line


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "no address could be connected to"


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1024 else f"{count // 1024} KiB"
