"""A name server on loopback that answers as a test says, each time another way if need be."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

Answers = Sequence[Sequence[str]]
"""For one question after the other, the last for all that follow: addresses, a CNAME (`=other.name`, whose records
come along), `SERVFAIL`, `REFUSED`, or `silence`."""


@dataclass
class NameServer(asyncio.DatagramProtocol):
    names: Mapping[str, Answers]
    address: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    """Questions for A records, by name."""
    _turns: Counter[tuple[str, str]] = field(default_factory=Counter)
    _transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.address = "{}:{}".format(*transport.get_extra_info("sockname")[:2])

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked[name] += kind == "A"
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        given = self._next(name, kind)
        if given is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif "silence" in given:
            return
        elif given and given[0] in ("SERVFAIL", "REFUSED"):
            response.set_rcode(dns.rcode.from_text(given[0]))
        else:
            self._fill(response, name, kind, given)
        self._transport.sendto(response.to_wire(), addr)

    def _next(self, name: str, kind: str) -> Sequence[str] | None:
        answers = self.names.get(name)
        if answers is None:
            return None
        turn = self._turns[name, kind]
        self._turns[name, kind] += 1
        return answers[min(turn, len(answers) - 1)]

    def _fill(self, response: dns.message.Message, name: str, kind: str, given: Sequence[str]) -> None:
        for value in given:
            if value.startswith("="):
                response.answer.append(_records(name, "CNAME", value[1:] + "."))
                self._fill(response, value[1:], kind, self._next(value[1:], kind) or ())
            elif kind == ("AAAA" if ":" in value else "A"):
                response.answer.append(_records(name, kind, value))


def _records(name: str, kind: str, value: str) -> dns.rrset.RRset:
    """Valid for no time, so that nobody keeps it."""
    return dns.rrset.from_text(name + ".", 0, "IN", kind, value)


@asynccontextmanager
async def nameserver(names: Mapping[str, Answers]) -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: NameServer(names), local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
