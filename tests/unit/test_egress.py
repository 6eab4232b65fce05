"""Which addresses an endpoint may have."""

import pytest

from shared.egress import Egress

FORBIDDEN = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.0.1",
    "192.168.255.254",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "3fff::1",
    "2001:0:808:808::1",
    "5f00::1",
    "64:ff9b:1:ffff::808:808",
    "::ffff:0:808:808",
    "2600:1f18::5efe:a9fe:a9fe",
    "2600:1f18::200:5efe:a00:1",
    "4000::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.167.0.1",
    "192.169.0.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.254",
    "2606:4700::1111",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "192.0.1.1",
    "192.0.3.1",
    "203.0.112.255",
    "2600::1",
    "2600:1f18::5efe:808:808",
    "2600:1f18::5eff:a00:1",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_special_addresses_are_refused(address: str) -> None:
    assert not Egress().allows(address, 443)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_look_alikes_are_not(address: str) -> None:
    assert Egress().allows(address, 443)


def test_exceptions_open_their_range_and_port_only() -> None:
    egress = Egress("127.0.0.0/8:9000, 10.1.0.0/16, [::1/128]:9000, fd00::/8")
    assert egress.allows("127.0.0.1", 9000)
    assert egress.allows("::ffff:127.0.0.1", 9000)
    assert not egress.allows("127.0.0.1", 9001)
    assert egress.allows("10.1.2.3", 1)
    assert not egress.allows("10.2.0.1", 1)
    assert egress.allows("::1", 9000)
    assert not egress.allows("::1", 9001)
    assert egress.allows("fd00::1", 5)


@pytest.mark.parametrize("bad", ["nonsense", "10.0.0.0/33", "10.0.0.0/8:http"])
def test_a_bad_exception_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Egress(bad)


def test_what_is_no_address_is_refused() -> None:
    assert not Egress().allows("localhost", 80)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://10.0.0.1/", "10.0.0.1 is not a public address"),
        ("https://0xa.1/", "0xa.1 is 10.0.0.1, not public"),
        ("https://[FD00::1]/", "fd00::1 is not a public address"),
        ("https://localhost:1/", "localhost is 127.0.0.1, not public"),
        ("https://metadata.google.internal/", "metadata.google.internal is not a public name"),
        ("https://1.2.3.256/", "1.2.3.256 ends in a number, as no name does, and is not an IP address"),
        ("http://example.com/", "plain http is not allowed here; use https"),
        ("https://example.com/", None),
        ("https://8.8.8.8/", None),
        ("https://134744072/", None),
        ("https://[2600::1]:8443/", None),
    ],
)
def test_a_url_is_refused_with_words_as_far_as_it_tells(url: str, words: str | None) -> None:
    assert Egress().refusal(url) == words


def test_what_an_exception_opens_may_be_spelled_and_named() -> None:
    egress = Egress("127.0.0.0/8:80, 10.0.0.0/8, 192.168.0.1:443", allow_http=True)
    opened = ["http://127.1/", "http://localhost/", "https://localhost:80/", "http://0xa.1:9/", "http://db.internal/"]
    opened.append("https://192.168.1/")
    assert [egress.refusal(url) for url in opened] == [None] * 6
    assert egress.refusal("https://localhost/") == "localhost is 127.0.0.1, not public"
