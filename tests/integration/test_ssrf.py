"""No URL and no name reaches the inside: refused when saved, and again when connecting.

Every connect() of a process that only sends is written down by an audit hook (`ssrf_child.py`), and a listener on
loopback counts what arrives.
"""

import asyncio
import ipaddress
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.servers import Server
from shared.egress import Egress
from tests.cluster import free_port
from tests.integration.endpoints import answering, endpoint
from tests.integration.hostile import once
from tests.integration.nameserver import nameserver
from tests.integration.ssrf_cases import DNS, INSIDE_NAMES, LITERALS, LOOK_ALIKES, MALFORMED
from tests.integration.test_api import V1, Site, opened_site

ALL = "0.0.0.0/0, ::/0"
PROXY_NAMES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@dataclass
class Told:
    url: str
    kind: str | None
    detail: str | None
    status: int | None
    connects: list[tuple[str, int]]


async def sent(dns: str, allow: str, urls: Sequence[str]) -> list[Told]:
    """What a process of its own makes of these, with a proxy in its environment that it has to ignore."""
    proxy = f"http://127.0.0.1:{free_port()}"
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.ssrf_child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **dict.fromkeys(PROXY_NAMES, proxy), "NO_PROXY": ""},
    )
    output, _ = await child.communicate(json.dumps({"dns": dns, "allow": allow, "urls": urls}).encode())
    assert child.returncode == 0
    return [
        Told(told["url"], told["kind"], told["detail"], told["status"], [tuple(made) for made in told["connects"]])
        for told in json.loads(output)
    ]


@asynccontextmanager
async def listener() -> AsyncIterator[tuple[int, list[int]]]:
    """A port on loopback, and a list that gets an entry for each connection to it."""
    arrived: list[int] = []
    talk = once(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK"
    )  # nothing is kept for the next case

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(1)
        await talk(reader, writer)

    async with endpoint(counted) as port:
        yield port, arrived


def literal_urls(port: int) -> list[str]:
    return [f"http://{host}:{port}/hook" for host in LITERALS]


async def test_no_spelling_of_a_forbidden_address_is_connected_to() -> None:
    async with listener() as (port, arrived), nameserver({}) as names:
        urls = [*literal_urls(port), *(f"http://{host}:{port}/hook" for host in INSIDE_NAMES), *MALFORMED]
        told = await sent(names.address, "", urls)
    assert len(told) > 150
    assert {case.url: case.connects for case in told if case.connects} == {}
    assert {case.url: case.kind for case in told if case.kind != "blocked_address"} == {}
    assert all(case.detail for case in told)
    assert not arrived
    assert not names.asked


async def test_with_its_range_allowed_the_same_spelling_does_connect() -> None:
    async with listener() as (port, arrived), nameserver({}) as names:
        told = await sent(names.address, ALL, literal_urls(port))
    for case, address in zip(told, LITERALS.values(), strict=True):
        made = [ipaddress.ip_address(host) for host, _ in case.connects]
        assert ipaddress.ip_address(address) in made or any(ip.is_loopback for ip in made), case
    answered = [case.url for case in told if case.status == 200]
    assert len(answered) > 20, "those of 127.0.0.1 are really answered"
    assert len(arrived) > 0


async def test_what_spells_no_address_is_refused_even_with_everything_allowed() -> None:
    async with nameserver({}) as names:
        told = await sent(names.address, ALL, MALFORMED)
    assert {case.url: case.kind for case in told if case.kind != "blocked_address" or case.connects} == {}


async def test_no_name_that_leads_inside_is_connected_to() -> None:
    async with listener() as (port, arrived), nameserver(DNS) as names:
        told = await sent(names.address, "", [f"http://{name}:{port}/hook" for name in DNS])
    assert {case.url: case.kind for case in told if case.kind != "blocked_address" or case.connects} == {}
    assert not arrived
    assert all(names.asked[name] for name in DNS), "they were looked up, all of them"


async def test_with_everything_allowed_each_of_the_names_does_connect() -> None:
    async with listener() as (port, arrived), nameserver(DNS) as names:
        told = await sent(names.address, ALL, [f"http://{name}:{port}/hook" for name in DNS])
    assert [case.url for case in told if not case.connects] == []
    assert arrived


async def test_of_mixed_answers_only_what_is_allowed_is_connected_to() -> None:
    answers = {
        "mixed.example.com": [["127.0.0.1", "127.0.0.2", "10.0.0.1"]],
        "mixed6.example.com": [["::1", "127.0.0.2", "fd00::1"]],
    }
    async with listener() as (port, _), nameserver(answers) as names:
        told = await sent(names.address, "127.0.0.2/32", [f"http://{name}:{port}/hook" for name in answers])
    # The listener is on 127.0.0.1: what is connected to is decided here, not whether somebody answers there.
    assert [{host for host, _ in case.connects} for case in told] == [{"127.0.0.2"}] * 2


async def test_an_answer_that_changes_between_check_and_use_is_not_asked_for_twice() -> None:
    """The address that was checked is the one connected to; by the next look-up the name is blocked."""
    answers = {"rebinding.example.com": [["127.0.0.2"], ["127.0.0.1"]]}
    async with nameserver(answers) as names:
        url = f"http://rebinding.example.com:{free_port()}/hook"
        [first] = await sent(names.address, "127.0.0.2/32", [url])
        assert {host for host, _ in first.connects} == {"127.0.0.2"}
        assert names.asked["rebinding.example.com"] == 1
        [second] = await sent(names.address, "127.0.0.2/32", [url])
        assert (second.kind, second.connects) == ("blocked_address", [])


async def test_a_redirect_to_the_inside_is_an_answer() -> None:
    async with listener() as (inside, arrived), nameserver({}) as names:
        location = f"http://127.0.0.1:{inside}/".encode()
        raw = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
        async with endpoint(answering(raw)) as port:
            [told] = await sent(names.address, f"127.0.0.1/32:{port}", [f"http://127.0.0.1:{port}/hook"])
    assert (told.status, told.connects) == (307, [("127.0.0.1", port)])
    assert not arrived


async def test_an_exception_for_one_port_opens_no_other_spelling_of_another() -> None:
    async with listener() as (port, arrived), nameserver(DNS) as names:
        hosts = ["127.1", "localhost", "[::ffff:7f00:1]", "v4.ssrf.example.com"]
        told = await sent(names.address, f"127.0.0.1/32:{free_port()}", [f"http://{host}:{port}/" for host in hosts])
    assert {case.kind for case in told} == {"blocked_address"}
    assert not arrived


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def strict_site(mongodb: Server) -> AsyncIterator[Site]:
    async with opened_site(mongodb.url, Egress(allow_http=True), most=1_000) as made:
        yield made


FORBIDDEN = [*(f"http://{host}/hook" for host in (*LITERALS, *INSIDE_NAMES)), *MALFORMED]


async def test_every_spelling_is_refused_when_a_webhook_is_made_or_changed(strict_site: Site) -> None:
    webhook = await strict_site.create()
    taken: list[Any] = []
    for url in FORBIDDEN:
        body = {"tenant_id": webhook["tenant_id"], "url": url, "event_type": "session.created"}
        for method, path, fields in (("POST", V1, body), ("PATCH", f"{V1}/{webhook['id']}", {"url": url})):
            status, answer = await strict_site.call(method, path, fields)
            if (status, answer.get("code")) != (400, "INVALID_REQUEST") or "url" not in answer["error"]:
                taken.append((method, url, status, answer))
    assert taken == []


async def test_public_look_alikes_are_taken(strict_site: Site) -> None:
    """Saved only: nothing is sent to them."""
    for host in LOOK_ALIKES:
        await strict_site.create(url=f"http://{host}/hook")


@pytest.mark.parametrize("host", ["127.1", "localhost", "[::1]", "metadata.google.internal"])
async def test_with_its_range_allowed_it_can_be_saved(mongodb: Server, host: str) -> None:
    async with opened_site(mongodb.url, Egress("127.0.0.0/8, ::1/128", allow_http=True)) as site:
        await site.create(url=f"http://{host}/hook")
