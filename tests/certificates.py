"""Certificates for tests: an authority of one's own, and what it signs."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM, _PLAIN = serialization.Encoding.PEM, serialization.NoEncryption()


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, _PLAIN)


@dataclass(frozen=True)
class Signed:
    """PEM texts of a certificate and of its key."""

    certificate: bytes
    key: bytes

    def write(self, path: Path) -> Path:
        path.write_bytes(self.certificate + self.key)
        return path


class Authority:
    def __init__(self, name: str = "An authority of the tests") -> None:
        self._name = _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())

    @cached_property
    def pem(self) -> bytes:
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self._builder(self._name, self._key.public_key(), days=(-1, 1))
        builder = builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM)

    def sign(self, *names: str, days: tuple[int, int] = (-1, 1)) -> Signed:
        """For these names (addresses too), valid from and until so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        builder = self._builder(_named(names[0]), key.public_key(), days=days)
        certificate = builder.add_extension(alternatives, critical=False).sign(self._key, hashes.SHA256())
        return Signed(certificate.public_bytes(_PEM), _text(key))

    def itself(self) -> Signed:
        """For a server whose certificate nobody else vouches for."""
        return Signed(self.pem, _text(self._key))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: tuple[int, int]
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        authority_s = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(authority_s, critical=False)
        )


def serving(signed: Signed, folder: Path, *, client_authority: bytes = b"") -> ssl.SSLContext:
    """For a server that shows it, and asks clients for a certificate of `client_authority` if that is given."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(signed.write(folder / f"server-{len(list(folder.iterdir()))}.pem"))
    if client_authority:
        context.load_verify_locations(cadata=client_authority.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context
