"""Which addresses an endpoint may have, by property: whatever is written in an address, and however."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.egress import Egress, _carried

v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6)
ports = st.integers(1, 65535)
INSIDE = "10.1.2.3"
WRITTEN_IN = {"mapped": 0xFFFF << 32, "NAT64": 0x64FF9B << 96, "6to4": 0x2002 << 112}


def written(address: IPv4Address, form: str) -> str:
    return str(IPv6Address(WRITTEN_IN[form] + (int(address) << (80 if form == "6to4" else 0))))


@given(v4, st.sampled_from(sorted(WRITTEN_IN)), ports)
def test_an_ipv4_address_is_judged_alike_however_it_is_written(address: IPv4Address, form: str, port: int) -> None:
    assert Egress().allows(written(address, form), port) is Egress().allows(str(address), port)


@given(v4, ports)
def test_what_python_knows_not_to_be_global_is_refused(address: IPv4Address, port: int) -> None:
    assert address.is_global or not Egress().allows(str(address), port)


@given(v6, ports)
def test_of_ipv6_only_global_unicast_is_allowed_and_what_carries_a_public_address(
    address: IPv6Address, port: int
) -> None:
    carrying = address.ipv4_mapped or int(address) >> 32 == 0x64FF9B << 64
    assert carrying or int(address) >> 125 == 1 or not Egress().allows(str(address), port)


@given(v6, st.text(max_size=8), ports)
def test_a_zone_changes_nothing(address: IPv6Address, zone: str, port: int) -> None:
    egress = Egress("fe80::/10, ::ffff:0:0/96")
    assert egress.allows(f"{address}%{zone}", port) is egress.allows(str(address), port)


@given(v4, ports, st.booleans())
def test_an_exception_opens_an_address_in_its_mapped_spelling_too_at_its_port(
    address: IPv4Address, port: int, mapped: bool
) -> None:
    spelling = written(address, "mapped") if mapped else str(address)
    assert Egress(f"{address}:{port}").allows(spelling, port)
    elsewhere = port % 65535 + 1
    assert Egress(f"{address}:{port}").allows(spelling, elsewhere) is Egress().allows(spelling, elsewhere)


@given(v6, ports, ports)
def test_an_ipv6_exception_has_its_port_behind_brackets(address: IPv6Address, port: int, other: int) -> None:
    assert Egress(f"[{address}]:{port}").allows(str(address), port)
    assert Egress(f" {address} ").allows(str(address), port)
    assert Egress(f"[{address}]").allows(str(address), port)
    assert Egress(f"[{address}]:{port}").allows(str(address), other) is (
        port == other or Egress().allows(str(address), other)
    )


def test_an_address_with_its_network_s_length_stands_for_the_network() -> None:
    assert Egress(f"{INSIDE}/8").allows("10.200.0.1", 443)


@pytest.mark.parametrize(
    ("address", "carried"),
    [
        ("8.8.8.8", []),
        ("2600::1", []),
        ("::ffff:10.0.0.1", ["10.0.0.1"]),
        ("64:ff9b::a00:1", ["10.0.0.1"]),
        ("2002:a00:1::", ["10.0.0.1"]),
        ("2600::5efe:a00:1", ["10.0.0.1"]),
        ("2600::200:5efe:a00:1", ["10.0.0.1"]),
        ("2600::201:5efe:a00:1", []),
    ],
)
def test_an_address_is_judged_with_those_it_carries(address: str, carried: list[str]) -> None:
    assert list(_carried(ip_address(address))) == [ip_address(judged) for judged in (address, *carried)]


def test_plain_http_is_allowed_only_when_said() -> None:
    assert [Egress().allow_http, Egress(allow_http=True).allow_http] == [False, True]
