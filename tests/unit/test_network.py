"""What a deployment says about its way out is checked at start: one clear line that names the setting."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from shared.errors import StartupError
from shared.network import Network
from shared.settings import EgressSettings
from tests.certificates import Authority


def refusal(**settings: str) -> str:
    with pytest.raises(StartupError) as refused:
        Network.of(EgressSettings(**settings))  # type: ignore[arg-type]  # pydantic makes a secret of it
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_without_settings_there_is_no_proxy_and_the_system_decides() -> None:
    network = Network.of(EgressSettings())
    assert (network.dns_servers, network.proxy) == ((), None)


@pytest.mark.parametrize("good", ["http://proxy.example.com:3128", "http://user:word@10.0.0.1:1/"])
def test_a_proxy_is_taken_as_it_is_given(good: str) -> None:
    assert str(Network.of(EgressSettings(egress_proxy=good)).proxy) == good  # type: ignore[arg-type]  # made a secret


def test_name_servers_have_ports() -> None:
    network = Network.of(EgressSettings(dns_servers=" 10.0.0.1, 10.0.0.2:5353,[fd00::1]:54 ,fd00::2, [::1]"))
    assert network.dns_servers == ("10.0.0.1:53", "10.0.0.2:5353", "[fd00::1]:54", "[fd00::2]:53", "[::1]:53")


@pytest.mark.parametrize("bad", ["dns.example.com", "10.0.0.1:x", "10.0.0.1:0", "10.0.0.1:65536", "[::1", "1:2", ":53"])
def test_a_bad_name_server_is_named(bad: str) -> None:
    assert refusal(dns_servers=bad) == f"DISPATCHER_DNS_SERVERS: {bad!r} is not ip or ip:port"


@pytest.mark.parametrize("bad", ["https://proxy:1", "proxy:3128", "http://", "http://p/x", "http://p?q", "http://p:x"])
def test_a_bad_proxy_is_refused_without_repeating_it(bad: str) -> None:
    assert refusal(egress_proxy=bad) == "DISPATCHER_EGRESS_PROXY: http://host:port is needed"


def test_files_that_are_not_there_or_hold_something_else_are_named(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    missing = tmp_path / "missing.pem"
    assert refusal(egress_ca_file=str(missing)) == f"DISPATCHER_EGRESS_CA_FILE: {missing}: No such file or directory"
    assert refusal(egress_ca_file=str(junk)).startswith(f"DISPATCHER_EGRESS_CA_FILE: {junk} does not hold")
    assert "No such file" in refusal(egress_client_cert_file=str(missing))
    assert f"{junk} does not hold" in refusal(egress_client_cert_file=str(junk))
    assert "no certificate" in refusal(egress_client_key_file=str(junk))


def test_an_encrypted_or_foreign_key_is_refused(tmp_path: Path) -> None:
    signed, other = Authority().sign("a.example.com"), Authority().sign("b.example.com")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(signed.certificate)
    key.write_bytes(other.key)
    assert "does not hold" in refusal(egress_client_cert_file=str(cert), egress_client_key_file=str(key))
    plain = serialization.load_pem_private_key(signed.key, None)
    secret = serialization.BestAvailableEncryption(b"word")
    key.write_bytes(plain.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
    assert "the key is encrypted" in refusal(egress_client_cert_file=str(cert), egress_client_key_file=str(key))
