"""What a deployment says about its way to the internet: name servers, a proxy, certificates. Checked at start."""

import ipaddress
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from yarl import URL

from shared.errors import StartupError
from shared.settings import EgressSettings

_DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class Network:
    """`tls`: for all endpoints; `dns_servers`: `ip:port`, none for the system's; `proxy`: for all requests."""

    tls: ssl.SSLContext = field(default_factory=lambda: _trusting(""))
    dns_servers: tuple[str, ...] = ()
    proxy: URL | None = None

    @classmethod
    def of(cls, settings: EgressSettings) -> "Network":
        """Raises StartupError with one line that names the setting."""
        tls = _trusting(settings.egress_ca_file)
        _identify(tls, settings.egress_client_cert_file, settings.egress_client_key_file)
        servers = tuple(_server(part.strip()) for part in settings.dns_servers.split(",") if part.strip())
        return cls(tls, servers, _proxy(settings.egress_proxy.get_secret_value()))


def _trusting(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise StartupError(f"DISPATCHER_EGRESS_CA_FILE: {_trouble(ca_file, error)}") from None
    return context


def _identify(context: ssl.SSLContext, cert_file: str, key_file: str) -> None:
    if key_file and not cert_file:
        raise StartupError("DISPATCHER_EGRESS_CLIENT_CERT_FILE: a key is given but no certificate")
    if not cert_file:
        return
    try:
        context.load_cert_chain(cert_file, key_file or None, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        name = "DISPATCHER_EGRESS_CLIENT_CERT_FILE or _KEY_FILE"
        raise StartupError(f"{name}: {_trouble(cert_file, error)}") from None


def _no_password() -> str:
    raise ValueError("the key is encrypted; give one that is not")


def _trouble(file: str, error: Exception) -> str:
    match error:
        case ssl.SSLError():
            return f"{file} does not hold what is needed in PEM form ({(error.reason or 'unreadable').lower()})"
        case OSError():
            return f"{file}: {error.strerror}"
        case _:
            return f"{file}: {error}"


def _server(text: str) -> str:
    """`ip`, `ip:port`, `[ip]` or `[ip]:port`; answers one with a port."""
    bare = text.count(":") > 1 and not text.startswith("[")
    try:
        parts = urlsplit(f"//[{text}]" if bare else f"//{text}")
        ip, port = ipaddress.ip_address(parts.hostname or ""), _DNS_PORT if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not port or set(text) & set("/?#@"):
        raise StartupError(f"DISPATCHER_DNS_SERVERS: {text!r} is not ip or ip:port")
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"


def _proxy(text: str) -> URL | None:
    if not text:
        return None
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme != "http" or not url.host or url.path not in ("", "/") or url.query_string:
        raise StartupError("DISPATCHER_EGRESS_PROXY: http://host:port is needed")
    return url
