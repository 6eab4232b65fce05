"""The sender against real sockets: what an endpoint may do to us, and what it may not."""

import asyncio
import gzip
import socket
import struct
from pathlib import Path

import pytest

from services.delivery.outcome import Answer
from shared.contracts.failure import ErrorKind
from shared.egress import Egress
from tests.certificates import Authority, serving
from tests.cluster import free_port
from tests.integration.endpoints import OK, answering, endpoint, post, request, sending


async def test_an_answer_has_its_status_body_and_retry_after() -> None:
    raw = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy"
    async with endpoint(answering(raw)) as port, sending() as sender:
        assert await post(port, sender) == Answer(503, b"busy", "7")


async def test_the_body_is_posted_as_it_stands_and_nothing_is_added_that_we_did_not_ask_for() -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request(reader))
        writer.write(OK)
        await writer.drain()

    async with endpoint(talk) as port, sending() as sender:
        await post(port, sender)
    head, body = seen[0].split(b"\r\n\r\n")
    assert body == b'{"a":1}'
    names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
    assert names == {b"host", b"content-type", b"content-length"}


async def test_an_endpoint_that_never_answers_times_out() -> None:
    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with endpoint(talk) as port, sending(limit=0.3) as sender:
        assert (await post(port, sender)).error is ErrorKind.TIMEOUT


async def test_a_slow_drip_is_cut_by_the_deadline_over_the_whole_exchange() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with endpoint(talk) as port, sending(limit=0.4) as sender:
        assert (await post(port, sender)).error is ErrorKind.TIMEOUT


async def test_a_reset_connection_is_reset_and_tried_once_only_when_it_was_fresh() -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await request(reader)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with endpoint(talk) as port, sending() as sender:
        assert (await post(port, sender)).error is ErrorKind.RESET
    assert connections == 1


async def test_an_answer_cut_short_is_a_reset() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()

    async with endpoint(talk) as port, sending() as sender:
        assert (await post(port, sender)).error is ErrorKind.RESET


async def test_garbage_is_a_malformed_answer() -> None:
    async with endpoint(answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")) as port, sending() as sender:
        assert (await post(port, sender)).error is ErrorKind.MALFORMED_ANSWER


async def test_redirects_are_answers_and_never_followed() -> None:
    followed = asyncio.Event()

    async def target(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        followed.set()
        await reader.read(-1)

    async with endpoint(target) as elsewhere:
        location = f"http://127.0.0.1:{elsewhere}/".encode()
        raw = b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
        async with endpoint(answering(raw)) as port, sending() as sender:
            assert (await post(port, sender)).status_code == 302
    assert not followed.is_set()


async def test_a_body_without_end_costs_its_connection_and_no_more_than_16_kib_are_read() -> None:
    cut = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            cut.set()

    async with endpoint(talk) as port, sending(limit=20) as sender:
        answer = await post(port, sender)
        assert (answer.status_code, answer.body) == (200, b"x" * 1024)
        async with asyncio.timeout(10):
            await cut.wait()


async def test_a_body_above_16_kib_with_a_length_is_still_a_success() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 17408\r\n\r\n" + b"y" * 17408
    async with endpoint(answering(raw)) as port, sending() as sender:
        assert (await post(port, sender)).status_code == 200
        assert (await post(port, sender)).status_code == 200


async def test_gzip_is_kept_as_it_came_and_never_unpacked() -> None:
    bomb = gzip.compress(b"0" * 1_000_000)
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    async with endpoint(answering(raw)) as port, sending() as sender:
        assert (await post(port, sender)).body == bomb[:1024]


async def test_a_kept_connection_that_died_idle_gets_one_try_on_a_fresh_one() -> None:
    requests: list[int] = []
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        mine = connections
        await request(reader)
        requests.append(mine)
        writer.write(OK)
        await writer.drain()
        await request(reader)  # the next one on this connection is not answered
        requests.append(mine)

    async with endpoint(talk) as port, sending() as sender:
        assert (await post(port, sender)).status_code == 200
        assert (await post(port, sender)).status_code == 200
    assert requests == [1, 1, 2]


async def test_cookies_are_not_kept() -> None:
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await request(reader))
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

    async with endpoint(talk) as port, sending() as sender:
        await post(port, sender)
        await post(port, sender)
    assert len(heads) == 2
    assert not any(b"cookie" in head.lower() for head in heads)


async def test_a_port_where_nobody_listens_is_a_failed_connect() -> None:
    async with sending() as sender:
        answer = await post(free_port(), sender)
    assert answer.error is ErrorKind.CONNECT
    assert "nothing listens at 127.0.0.1 port" in str(answer.detail)


async def _tried(host: str) -> tuple[Answer, bool]:
    """What is answered for a forbidden host, and whether anything reached its port."""
    touched = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        touched.set()
        await reader.read(-1)

    async with endpoint(talk) as port, sending(Egress(allow_http=True)) as sender:
        answer = await post(port, sender, host=host)
    return answer, touched.is_set()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "[::ffff:7f00:1]", "[::1]"])
async def test_a_forbidden_address_is_not_connected_to_and_said_to_be_forbidden(host: str) -> None:
    answer, touched = await _tried(host)
    assert answer.error is ErrorKind.BLOCKED_ADDRESS, answer
    assert "not public" in str(answer.detail) or "not a public address" in str(answer.detail)
    assert not touched


@pytest.mark.parametrize("host", ["2130706433", "0177.0.0.1", "127.1", "017700000001"])
async def test_odd_spellings_of_a_forbidden_address_are_not_connected_to(host: str) -> None:
    answer, touched = await _tried(host)
    assert (answer.error, answer.detail) == (ErrorKind.BLOCKED_ADDRESS, f"{host} is 127.0.0.1, not public")
    assert not touched


async def test_an_exception_for_one_port_opens_no_other() -> None:
    async with (
        endpoint(answering(OK)) as open_port,
        endpoint(answering(OK)) as closed_port,
        sending(Egress(f"127.0.0.1/32:{open_port}", allow_http=True)) as sender,
    ):
        assert (await post(open_port, sender)).status_code == 200
        assert (await post(closed_port, sender)).error is ErrorKind.BLOCKED_ADDRESS


async def test_plain_http_is_refused_where_it_is_not_allowed() -> None:
    async with sending(Egress("127.0.0.0/8")) as sender:
        answer = await post(free_port(), sender)
    assert answer.error is ErrorKind.BLOCKED_ADDRESS
    assert "https" in str(answer.detail)


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with endpoint(answering(OK)) as port, sending() as sender:
        assert (await post(port, sender)).status_code == 200


async def test_a_certificate_nobody_vouches_for_is_a_tls_failure(tmp_path: Path) -> None:
    tls = serving(Authority().itself(), tmp_path)
    async with endpoint(answering(OK), tls) as port, sending() as sender:
        answer = await post(port, sender, "https", "localhost")
    assert answer.error is ErrorKind.TLS
    assert answer.detail == "the certificate is signed by itself, not by a public authority"


async def test_plain_http_behind_an_https_address_is_a_tls_failure() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(OK)
        await writer.drain()

    async with endpoint(talk) as port, sending() as sender:
        assert (await post(port, sender, "https")).error is ErrorKind.TLS
