"""Failures are told in plain words."""

import asyncio
import errno
import re
import ssl
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import http_exceptions
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from services.delivery.failure import failed, late
from services.delivery.outcome import Answer
from services.delivery.wire import Exchange, Wire
from shared.contracts.failure import ErrorKind
from shared.lookup import BlockedAddress, LookupFailed
from tests.certificates import Authority

PEER: Any = (2, 1, 6, "", ("203.0.113.5", 443))
CLASS_NAME = re.compile(r"\b[A-Z][a-z]+[A-Z]\w+|\w+(Error|Exception)\b|<class|object at|[Ee]rrno")


def exchange(scheme: str = "https", *, proxied: bool = False, **known: Any) -> Exchange:
    made = Exchange(URL(f"{scheme}://hooks.example.com/in"), proxied=proxied)
    vars(made).update({"address": PEER, **known})
    return made


def wire(received: int = 0, *, answered: bool = False, excess: str | None = None) -> Wire:
    return cast("Wire", SimpleNamespace(received=received, answered=answered, excess=excess))


def key() -> Any:
    return SimpleNamespace(host="hooks.example.com", port=443, is_ssl=True, ssl=True)


def connecting(error: OSError, kind: type[aiohttp.ClientConnectorError] = aiohttp.ClientConnectorError) -> Exception:
    return kind(key(), error)


def ssl_error(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, "[SSL] words of OpenSSL")
    if reason:
        error.reason = reason
    return error


def refused(code: int, message: str = "for some reason") -> Exception:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return aiohttp.ClientConnectorCertificateError(key(), error)


def answered(message: str) -> Exception:
    return aiohttp.ClientResponseError(cast("Any", None), (), status=400, message=message)


def caused(error: Exception, cause: Exception | None) -> Exception:
    error.__cause__ = cause
    return error


def certificate(*names: str, days: tuple[int, int] = (-1, 1)) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Authority().sign(*names, days=days).certificate)


K = ErrorKind
OTHERS = certificate("*.example.org", "example.org", "10.1.2.3")
MANY = certificate("a.example", "b.example", "c.example", "d.example")
OPENSSL_SAYS = "Bad status line:\n  Expected HTTP/:\n\n    b'SSH-2.0-x'\n      ^"
FAILURES: list[tuple[Exchange, Exception, ErrorKind, str]] = [
    (exchange(), BlockedAddress("it is inside"), K.BLOCKED_ADDRESS, "it is inside"),
    (exchange(), connecting(BlockedAddress("it is inside")), K.BLOCKED_ADDRESS, "it is inside"),
    (exchange(), LookupFailed("no name"), K.DNS, "no name"),
    (exchange(), connecting(LookupFailed("no name"), aiohttp.ClientConnectorDNSError), K.DNS, "no name"),
    (
        exchange(),
        connecting(ConnectionRefusedError(errno.ECONNREFUSED, "x")),
        K.CONNECT,
        "nothing listens at 203.0.113.5 port 443 (connection refused)",
    ),
    (
        exchange(),
        connecting(OSError(errno.EHOSTUNREACH, "x")),
        K.CONNECT,
        "there is no way to 203.0.113.5 port 443 from here (no route to host)",
    ),
    (
        exchange(),
        connecting(OSError(errno.EMFILE, "x")),
        K.CONNECT,
        "no connection to 203.0.113.5 port 443 (too many open files)",
    ),
    (
        exchange(),
        connecting(OSError("Multiple exceptions: [Errno 111] …")),
        K.CONNECT,
        "no connection to 203.0.113.5 port 443 (no address could be connected to)",
    ),
    (
        exchange(),
        connecting(ConnectionResetError(errno.ECONNRESET, "x")),
        K.TLS,
        "203.0.113.5 port 443 closed the connection during the TLS handshake",
    ),
    (
        exchange("http"),
        connecting(ConnectionResetError("x")),
        K.RESET,
        "203.0.113.5 port 443 reset the connection as soon as it was made",
    ),
    (
        exchange(proxied=True),
        connecting(ConnectionRefusedError(errno.ECONNREFUSED, "x"), aiohttp.ClientProxyConnectionError),
        K.CONNECT,
        "the proxy of this dispatcher cannot be reached (connection refused); this is our fault",
    ),
    (
        exchange(proxied=True),
        connecting(ConnectionResetError(errno.ECONNRESET, "x")),
        K.TLS,
        "hooks.example.com closed the connection during the TLS handshake",
    ),
    (
        exchange(),
        aiohttp.ClientHttpProxyError(cast("Any", None), (), status=502, message="Bad Gateway"),
        K.CONNECT,
        "the proxy of this dispatcher refused the connection: 502 Bad Gateway",
    ),
    (exchange(), refused(62), K.TLS, "the certificate is not for hooks.example.com"),
    (
        exchange(shown=OTHERS),
        refused(62),
        K.TLS,
        "the certificate is for *.example.org, example.org, 10.1.2.3, not for hooks.example.com",
    ),
    (
        exchange(shown=MANY),
        refused(64),
        K.TLS,
        "the certificate is for a.example, b.example, c.example, …, not for hooks.example.com",
    ),
    (
        exchange(shown=x509.load_pem_x509_certificate(Authority().pem)),
        refused(62),
        K.TLS,
        "the certificate is for no name, not for hooks.example.com",
    ),
    (exchange(), refused(10), K.TLS, "the certificate expired"),
    (exchange(), refused(9), K.TLS, "the certificate is not valid yet"),
    (exchange(), refused(18), K.TLS, "the certificate is signed by itself, not by a public authority"),
    (exchange(), refused(99, "no luck"), K.TLS, "the certificate is not accepted: no luck"),
    (
        exchange(),
        aiohttp.ClientConnectorSSLError(key(), ssl_error("WRONG_VERSION_NUMBER")),
        K.TLS,
        "no TLS with hooks.example.com: what listens there does not speak TLS",
    ),
    (
        exchange(),
        aiohttp.ClientConnectorSSLError(key(), ssl_error("TLSV1_ALERT_INTERNAL_ERROR")),
        K.TLS,
        "no TLS with hooks.example.com: the handshake failed (tlsv1 alert internal error)",
    ),
    (
        exchange(),
        aiohttp.ClientConnectorSSLError(key(), ssl_error(None)),
        K.TLS,
        "no TLS with hooks.example.com: the handshake failed (no reason given)",
    ),
    (
        exchange(wire=wire()),
        caused(aiohttp.ClientOSError(1, "x"), ssl_error("TLSV13_ALERT_CERTIFICATE_REQUIRED")),
        K.TLS,
        "no TLS with hooks.example.com: the server asks for a client certificate, and this dispatcher has none",
    ),
    (
        exchange(wire=wire()),
        aiohttp.ServerDisconnectedError(),
        K.RESET,
        "the connection ended without an answer",
    ),
    (
        exchange(wire=wire(2_100)),
        caused(aiohttp.ClientOSError(errno.ECONNRESET, "x"), ConnectionResetError(errno.ECONNRESET, "x")),
        K.RESET,
        "the connection ended in the middle of the answer, after 2 KiB",
    ),
    (
        exchange(wire=wire(90, answered=True)),
        caused(aiohttp.ClientPayloadError("x"), http_exceptions.ContentLengthError("x")),
        K.RESET,
        "the connection ended in the middle of the answer, after 90 bytes",
    ),
    (
        exchange(wire=wire(9, excess="its head is longer than 32 KiB")),
        aiohttp.ServerDisconnectedError(),
        K.MALFORMED_ANSWER,
        "the answer is more than we read: its head is longer than 32 KiB",
    ),
    (
        exchange(),
        answered(OPENSSL_SAYS),
        K.MALFORMED_ANSWER,
        "the answer is not well-formed HTTP: Expected HTTP/: “SSH-2.0-x”",
    ),
    (
        exchange(),
        answered("Got more than 8190 bytes when reading: b'xxx…'."),
        K.MALFORMED_ANSWER,
        "the answer is not well-formed HTTP: a line of its head is longer than 8190 bytes",
    ),
    (
        exchange(),
        answered("Too many headers received"),
        K.MALFORMED_ANSWER,
        "the answer is not well-formed HTTP: it has more than 128 headers",
    ),
    (exchange(), answered(""), K.MALFORMED_ANSWER, "the answer is not well-formed HTTP: it cannot be read"),
    (exchange(), ValueError("x"), K.MALFORMED_ANSWER, "the answer could not be made sense of"),
    (exchange(), aiohttp.ClientError("x"), K.MALFORMED_ANSWER, "the answer could not be made sense of"),
]


@pytest.mark.parametrize(("known", "error", "kind", "words"), FAILURES, ids=[failure[3] for failure in FAILURES])
def test_a_failure_has_its_kind_and_words(known: Exchange, error: Exception, kind: ErrorKind, words: str) -> None:
    answer = failed(known, error)
    assert (answer.error, answer.detail) == (kind, words)
    assert not CLASS_NAME.search(words)


LATE = [
    (exchange(address=None), K.DNS, "no name server had an answer for hooks.example.com within 30 s"),
    (exchange(), K.TIMEOUT, "no connection to 203.0.113.5 port 443 within 30 s"),
    (exchange(wire=wire()), K.TIMEOUT, "connected, but no answer came within 30 s"),
    (exchange(wire=wire(10)), K.TIMEOUT, "no complete answer within 30 s; a part of its head had come"),
    (
        exchange(wire=wire(2_100, answered=True), body_bytes=2_048),
        K.TIMEOUT,
        "no complete answer within 30 s; 2 KiB of the body had come",
    ),
    (exchange(refused=refused(18)), K.TLS, "the certificate is signed by itself, not by a public authority"),
]


@pytest.mark.parametrize(("known", "kind", "words"), LATE, ids=[one[2] for one in LATE])
def test_what_came_until_the_time_was_over_is_told(known: Exchange, kind: ErrorKind, words: str) -> None:
    assert late(known, 30) == Answer(error=kind, detail=words)


ANY_ERROR = st.sampled_from(
    [
        *(error for _, error, _, _ in FAILURES),
        *(connecting(OSError(number, "x")) for number in sorted(errno.errorcode)),
        *(caused(aiohttp.ClientOSError(number, "x"), None) for number in sorted(errno.errorcode)),
        *(refused(code) for code in range(100)),
        asyncio.IncompleteReadError(b"", 1),
        aiohttp.InvalidURL("x"),
        RuntimeError("x"),
    ]
)


@given(
    ANY_ERROR,
    st.sampled_from(["http", "https"]),
    st.sampled_from([None, wire(), wire(5), wire(5, answered=True)]),
    st.booleans(),
)
def test_no_python_class_gets_through_whatever_fails(
    error: Exception, scheme: str, known: Wire | None, proxied: bool
) -> None:
    answer = failed(exchange(scheme, wire=known, proxied=proxied), error)
    assert answer.error
    assert answer.detail
    assert not CLASS_NAME.search(answer.detail), answer.detail
    assert len(answer.detail) <= 300
    if proxied:
        assert "203.0.113.5" not in answer.detail, "the proxy's address is the deployment's own"
