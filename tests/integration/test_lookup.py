"""Names are looked up on a real name server, on loopback; what they lead to is judged."""

import asyncio
import re
import socket
from pathlib import Path

import pytest

from shared.contracts.failure import ErrorKind
from shared.egress import Egress
from shared.lookup import GuardedLookup
from shared.network import Network
from tests.cluster import until
from tests.integration.endpoints import OK, answering, endpoint, post, sending
from tests.integration.nameserver import NameServer, nameserver


def asking(server: NameServer) -> Network:
    return Network(dns_servers=(server.address,))


async def test_a_name_that_does_not_exist_is_a_dns_failure() -> None:
    async with nameserver({}) as names, sending(network=asking(names)) as sender:
        answer = await post(80, sender, host="no-such-host.example.com")
    assert answer.error is ErrorKind.DNS
    assert "no address was found for no-such-host.example.com: the name does not exist" in str(answer.detail)


async def test_a_public_name_that_resolves_inside_is_blocked() -> None:
    answers = {"innocent.example.com": [["127.0.0.1", "10.0.0.1", "169.254.169.254"]]}
    async with (
        endpoint(answering(OK)) as port,
        nameserver(answers) as names,
        sending(Egress(allow_http=True), network=asking(names)) as sender,
    ):
        answer = await post(port, sender, host="innocent.example.com")
    assert answer.error is ErrorKind.BLOCKED_ADDRESS
    assert answer.detail == "innocent.example.com resolves only to addresses that are not allowed"


async def test_of_a_name_s_addresses_only_the_allowed_are_tried() -> None:
    answers = {"both.example.com": [["10.0.0.1", "127.0.0.1"]]}
    async with (
        endpoint(answering(OK)) as port,
        nameserver(answers) as names,
        sending(network=asking(names)) as sender,
    ):
        assert (await post(port, sender, host="both.example.com")).status_code == 200


async def test_whatever_a_look_up_says_the_address_itself_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last guard alone: the one before it is taken out."""
    monkeypatch.setattr(GuardedLookup, "resolve", lambda self, host, port, family: self._lookup.resolve(host, port))
    touched = asyncio.Event()

    async def talk(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        touched.set()

    async with (
        endpoint(talk) as port,
        nameserver({"a.example.com": [["127.0.0.1"]]}) as names,
        sending(Egress(allow_http=True), network=asking(names)) as sender,
    ):
        answer = await post(port, sender, host="a.example.com")
    assert (answer.error, answer.detail) == (
        ErrorKind.BLOCKED_ADDRESS,
        f"127.0.0.1 port {port} is not an address we connect to",
    )
    assert not touched.is_set()


async def test_a_name_is_asked_for_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search domains would give a customer the names of the inside."""
    monkeypatch.setenv("LOCALDOMAIN", "corp.example.com")
    monkeypatch.setenv("RES_OPTIONS", "ndots:5")
    answers = {"db.example.com.corp.example.com": [["127.0.0.1"]]}
    async with nameserver(answers) as names, sending(network=asking(names)) as sender:
        assert (await post(80, sender, host="db.example.com")).error is ErrorKind.DNS
        assert set(names.asked) == {"db.example.com"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [("SERVFAIL", "the name servers could not find out (SERVFAIL)"), ("REFUSED", "the name servers refuse to say")],
)
async def test_a_name_server_that_fails_is_said_to(answer: str, words: str) -> None:
    async with nameserver({"a.example.com": [[answer]]}) as names, sending(network=asking(names)) as sender:
        told = await post(80, sender, host="a.example.com")
    assert told.error is ErrorKind.DNS
    assert words in str(told.detail)


async def test_a_name_that_nobody_answers_for_holds_up_no_other() -> None:
    """More of them than a pool of threads has; the time limit tells who waited for whom."""
    answers = {f"slow{n}.example.com": [["silence"]] for n in range(60)} | {"quick.example.com": [["127.0.0.1"]]}
    async with (
        endpoint(answering(OK)) as port,
        nameserver(answers) as names,
        sending(network=asking(names), limit=30) as sender,
    ):
        slow = [asyncio.create_task(post(port, sender, host=f"slow{n}.example.com")) for n in range(60)]
        await until(lambda: sum(names.asked[f"slow{n}.example.com"] > 0 for n in range(60)) == 60, 20)
        assert (await post(port, sender, host="quick.example.com")).status_code == 200
        assert not any(task.done() for task in slow)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def test_name_servers_that_are_silent_until_the_time_is_over_are_a_dns_failure() -> None:
    answers = {"a.example.com": [["silence"]]}
    async with nameserver(answers) as names, sending(network=asking(names), limit=0.3) as sender:
        answer = await post(80, sender, host="a.example.com")
    assert answer.error is ErrorKind.DNS
    assert answer.detail == "no name server had an answer for a.example.com within 0.3 s"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost."])
async def test_localhost_needs_no_name_server(host: str) -> None:
    async with (
        endpoint(answering(OK)) as port,
        nameserver({}) as names,
        sending(Egress("127.0.0.0/8, ::1/128", allow_http=True), network=asking(names)) as sender,
    ):
        assert (await post(port, sender, host=host)).status_code == 200
        assert not names.asked


def _name_of_the_hosts_file() -> str:
    """This machine's own name if it stands there, else one that always does."""
    text = re.sub("#.*", "", Path("/etc/hosts").read_text())
    own = socket.gethostname()
    return own if own in text.split() else "localhost"


async def test_names_of_the_hosts_file_are_found() -> None:
    async with (
        endpoint(answering(OK)) as port,
        nameserver({}) as names,
        sending(Egress(), network=asking(names)) as sender,
    ):
        answer = await post(port, sender, "https", _name_of_the_hosts_file())
        assert answer.error is ErrorKind.BLOCKED_ADDRESS, "found, and of the inside"
        assert not names.asked
