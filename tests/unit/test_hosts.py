"""Hosts are read as resolvers read them."""

import ipaddress
import re
import socket

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shared.hosts import inside_name, local_name, spelled_address

NUMBERS = st.sampled_from(["{}", "{:#x}", "0{:o}", "000{:o}"])
SPELLINGS = st.lists(st.tuples(st.integers(0, 2**32), NUMBERS), min_size=1, max_size=5).map(
    lambda parts: ".".join(form.format(number) for number, form in parts)
)


def by_c(host: str) -> str | None:
    """As the C library reads it."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


@given(SPELLINGS | st.from_regex(r"(0[xX]?)?[0-9a-fA-F]{0,4}(\.(0[xX]?)?[0-9]{1,3}){0,4}", fullmatch=True))
@example("127.1")
@example("0x7f000001")
@example("017700000001")
@example("127.0.0.256")
@example("1.2.3.4.5")
@example("4294967296")
@example("08")
def test_an_address_is_read_as_the_c_library_reads_it(host: str) -> None:
    assume(not re.search(r"(^|\.)0[xX](\.|$)", host))
    try:
        ours = spelled_address(host)
    except ValueError:
        ours = None
    assert (str(ours) if ours else None) == by_c(host)


@pytest.mark.parametrize("host", ["127.0.0.1.", "127.1.", "2130706433.", "0x7f000001."])
def test_a_trailing_dot_changes_nothing(host: str) -> None:
    assert spelled_address(host) == ipaddress.ip_address("127.0.0.1")


@pytest.mark.parametrize("host", ["0x", "0X", "0x0"])
def test_no_digits_are_none(host: str) -> None:
    """The C library refuses it; a client that reads on has zero."""
    assert spelled_address(host) == ipaddress.ip_address("0.0.0.0")


@pytest.mark.parametrize("host", ["127.0.0.256", "1.2.3.4.5", "a.127", "127..1", "127.0.0.08", "256.1", "1.16777216"])
def test_what_ends_in_a_number_and_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        spelled_address(host)


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.example.com", "0x7f.example", "a1", "1a", "x0"])
def test_names_spell_no_address(host: str) -> None:
    assert spelled_address(host) is None


@given(st.ip_addresses(v=6))
def test_ipv6_is_read_as_it_is(ip: ipaddress.IPv6Address) -> None:
    assert spelled_address(str(ip)) == ip == spelled_address(ip.exploded)


def test_names_of_this_machine_and_of_the_inside_are_known_in_any_case() -> None:
    assert all(map(local_name, ["localhost", "LOCALHOST.", "a.b.localhost"]))
    assert not any(map(local_name, ["localhost.example.com", "mylocalhost", "local"]))
    assert all(map(inside_name, ["metadata", "Metadata.Google.Internal.", "x.local", "a.svc", "kubernetes.default"]))
    assert not any(map(inside_name, ["metadata.example.com", "internal.example.com", "example.com", "notlocal"]))
