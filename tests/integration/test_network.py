"""A deployment's own way out: a proxy, authorities of its own, a client certificate, name servers."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.delivery.sender import Sender
from shared.contracts.failure import ErrorKind
from shared.egress import Egress
from shared.network import Network
from shared.settings import EgressSettings
from tests.certificates import Authority, serving
from tests.cluster import free_port
from tests.integration.endpoints import LOCAL, OK, answering, endpoint, post, sending
from tests.integration.nameserver import nameserver
from tests.integration.proxy import Proxy, forward_proxy

HOST = "hooks.example.com"
# Public by its number and never connected to: the proxy of these tests leads elsewhere.
PUBLIC = {HOST: [["198.20.0.1"]], "inside.example.com": [["10.0.0.1"]], "unknown.example.com": [["SERVFAIL"]]}
OPEN = Egress(allow_http=True)


def _file(folder: Path, name: str, text: bytes) -> str:
    (folder / name).write_bytes(text)
    return str(folder / name)


def behind(proxy: Proxy, dns: str, **more: str) -> Network:
    return Network.of(EgressSettings(egress_proxy=f"http://user:word@127.0.0.1:{proxy.port}", dns_servers=dns, **more))


async def send(sender: Sender, url: str) -> tuple[object, str | None]:
    answer = await sender.post(url, b'{"a":1}', {"Content-Type": "application/json"})
    return answer.status_code or answer.error, answer.detail


async def test_https_goes_through_the_proxy_in_a_tunnel_and_is_verified_end_to_end(tmp_path: Path) -> None:
    authority = Authority()
    ca_file = _file(tmp_path, "ca.pem", authority.pem)
    async with (
        endpoint(answering(OK), serving(authority.sign(HOST), tmp_path)) as port,
        nameserver(PUBLIC) as names,
        forward_proxy({HOST: port}) as proxy,
        sending(OPEN, network=behind(proxy, names.address, egress_ca_file=ca_file)) as sender,
    ):
        assert await send(sender, f"https://{HOST}/hook") == (200, None)
        assert await send(sender, f"https://{HOST}/hook") == (200, None)
    assert proxy.asked == [f"CONNECT {HOST}:443 HTTP/1.1"], "the tunnel is kept"
    assert b"Proxy-Authorization: Basic dXNlcjp3b3Jk" in proxy.heads[0]
    assert names.asked[HOST] == 1


async def test_a_wrong_certificate_behind_the_proxy_is_refused(tmp_path: Path) -> None:
    authority = Authority()
    ca_file = _file(tmp_path, "ca.pem", authority.pem)
    async with (
        endpoint(answering(OK), serving(authority.sign("other.example.com"), tmp_path)) as port,
        nameserver(PUBLIC) as names,
        forward_proxy({HOST: port}) as proxy,
        sending(OPEN, network=behind(proxy, names.address, egress_ca_file=ca_file)) as sender,
    ):
        assert await send(sender, f"https://{HOST}/") == (ErrorKind.TLS, f"the certificate is not for {HOST}")


async def test_plain_http_goes_to_the_proxy_in_absolute_form() -> None:
    async with (
        endpoint(answering(OK)) as port,
        nameserver(PUBLIC) as names,
        forward_proxy({HOST: port}) as proxy,
        sending(OPEN, network=behind(proxy, names.address)) as sender,
    ):
        assert await send(sender, f"http://{HOST}/hook") == (200, None)
    assert proxy.asked == [f"POST http://{HOST}/hook HTTP/1.1"]


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("https://inside.example.com/", ErrorKind.BLOCKED_ADDRESS, "resolves only to addresses that are not allowed"),
        ("https://unknown.example.com/", ErrorKind.DNS, "the name servers could not find out"),
        ("https://10.0.0.1/", ErrorKind.BLOCKED_ADDRESS, "10.0.0.1 is not a public address"),
        ("http://127.1/", ErrorKind.BLOCKED_ADDRESS, "127.1 is 127.0.0.1, not public"),
        ("http://127.0.0.1:{proxy}/", ErrorKind.BLOCKED_ADDRESS, "127.0.0.1 is not a public address"),
    ],
)
async def test_the_proxy_is_not_asked_for_what_leads_inside(url: str, kind: ErrorKind, words: str) -> None:
    async with (
        nameserver(PUBLIC) as names,
        forward_proxy({}) as proxy,
        sending(OPEN, network=behind(proxy, names.address)) as sender,
    ):
        told, detail = await send(sender, url.format(proxy=proxy.port))
    assert told is kind
    assert words in str(detail)
    assert proxy.heads == []


async def test_a_proxy_that_refuses_is_said_to() -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    async with (
        nameserver(PUBLIC) as names,
        forward_proxy({}, refusal) as proxy,
        sending(OPEN, network=behind(proxy, names.address)) as sender,
    ):
        told, detail = await send(sender, f"https://{HOST}/")
    assert (told, detail) == (ErrorKind.CONNECT, "the proxy of this dispatcher refused the connection: 403 Forbidden")


async def test_a_proxy_that_is_away_is_our_fault_and_its_address_is_not_told() -> None:
    async with nameserver(PUBLIC) as names:
        proxy = Proxy({}, port=free_port())
        async with sending(OPEN, network=behind(proxy, names.address)) as sender:
            told, detail = await send(sender, f"https://{HOST}/")
    assert told is ErrorKind.CONNECT
    assert detail == "the proxy of this dispatcher cannot be reached (connection refused); this is our fault"


async def test_an_authority_of_the_deployment_is_trusted_beside_the_system_s(tmp_path: Path) -> None:
    authority = Authority()
    network = Network.of(EgressSettings(egress_ca_file=_file(tmp_path, "ca.pem", authority.pem)))
    assert len(network.tls.get_ca_certs()) == len(Network().tls.get_ca_certs()) + 1
    tls = serving(authority.sign("127.0.0.1"), tmp_path)
    async with endpoint(answering(OK), tls) as port, sending(network=network) as sender:
        assert (await post(port, sender, "https")).status_code == 200
    async with endpoint(answering(OK), tls) as port, sending() as sender:
        answer = await post(port, sender, "https")
    assert answer.error is ErrorKind.TLS
    assert "the issuer of the certificate is not known here" in str(answer.detail)


@pytest.mark.parametrize("apart", [False, True])
async def test_the_deployment_s_certificate_is_shown_to_endpoints_that_ask(tmp_path: Path, apart: bool) -> None:
    authority, clients = Authority(), Authority("Clients of the tests")
    shown = clients.sign("dispatcher.example.com")
    certificate = shown.certificate if apart else shown.certificate + shown.key
    files = {"egress_client_cert_file": _file(tmp_path, "client.pem", certificate)}
    if apart:
        files["egress_client_key_file"] = _file(tmp_path, "client.key", shown.key)
    network = Network.of(EgressSettings(egress_ca_file=_file(tmp_path, "ca.pem", authority.pem), **files))
    tls = serving(authority.sign("127.0.0.1"), tmp_path, client_authority=clients.pem)
    async with endpoint(answering(OK), tls) as port, sending(network=network) as sender:
        assert (await post(port, sender, "https")).status_code == 200


@asynccontextmanager
async def reasoning(tls: ssl.SSLContext) -> AsyncIterator[int]:
    """A server that fails its one handshake as most do, and unlike asyncio's: it sends the reason, then listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving_one = asyncio.create_task(asyncio.to_thread(_fail, server, tls))
        yield server.getsockname()[1]
        await serving_one


def _fail(server: socket.socket, tls: ssl.SSLContext) -> None:
    accepted, _ = server.accept()
    with tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False) as wrapped:
        with pytest.raises(ssl.SSLError):
            wrapped.do_handshake()
        with socket.socket(fileno=os.dup(wrapped.fileno())) as bare:
            bare.shutdown(socket.SHUT_WR)
            while bare.recv(65536):
                pass


@pytest.mark.parametrize(
    ("newest", "words"),
    [
        (ssl.TLSVersion.TLSv1_2, "it has no cipher in common with us, or wants a certificate"),
        (ssl.TLSVersion.TLSv1_3, "the server asks for a client certificate, and this dispatcher has none"),
    ],
)
async def test_an_endpoint_that_asks_for_a_certificate_we_do_not_have_is_a_tls_failure(
    tmp_path: Path, newest: ssl.TLSVersion, words: str
) -> None:
    authority = Authority()
    network = Network.of(EgressSettings(egress_ca_file=_file(tmp_path, "ca.pem", authority.pem)))
    tls = serving(authority.sign("127.0.0.1"), tmp_path, client_authority=authority.pem)
    tls.maximum_version = newest
    async with reasoning(tls) as port, sending(network=network) as sender:
        answer = await post(port, sender, "https")
    assert answer.error is ErrorKind.TLS
    assert words in str(answer.detail)


async def test_an_old_version_of_tls_is_not_spoken(tmp_path: Path) -> None:
    tls = serving(Authority().sign("127.0.0.1"), tmp_path)
    with pytest.deprecated_call():
        tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
    tls.set_ciphers("ALL:@SECLEVEL=0")
    async with reasoning(tls) as port, sending() as sender:
        answer = await post(port, sender, "https")
    assert answer.error is ErrorKind.TLS
    assert "no version of TLS from 1.2 on" in str(answer.detail)


async def test_two_name_servers_are_asked_in_turn_when_the_first_is_silent() -> None:
    async with (
        endpoint(answering(OK)) as port,
        nameserver({HOST: [["silence"]]}) as silent,
        nameserver({HOST: [["127.0.0.1"]]}) as speaking,
        sending(LOCAL, 20, Network.of(EgressSettings(dns_servers=f"{silent.address}, {speaking.address}"))) as sender,
    ):
        assert (await post(port, sender, host=HOST)).status_code == 200
        assert silent.asked[HOST] > 0
