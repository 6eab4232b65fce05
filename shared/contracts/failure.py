"""Why an attempt failed, and what a customer can do about it."""

from enum import StrEnum


class ErrorKind(StrEnum):
    """Why an attempt failed, in one word of the history."""

    TIMEOUT = "timeout"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    RESET = "reset"
    HTTP_STATUS = "http_status"
    BLOCKED_ADDRESS = "blocked_address"
    MALFORMED_ANSWER = "malformed_answer"


_BY_KIND: dict[str, str] = {
    ErrorKind.TIMEOUT: "Answer 2xx at once and do the work afterwards; the time limit includes the whole answer.",
    ErrorKind.DNS: "Check the host name in the webhook's URL: it needs a public A or AAAA record.",
    ErrorKind.CONNECT: "Check that your server runs and that its firewall lets the internet reach this host and port.",
    ErrorKind.TLS: (
        "Install a certificate for exactly this host name, in date, from a public authority and with its intermediate "
        "certificates; TLS 1.2 or later is needed."
    ),
    ErrorKind.RESET: (
        "Look into the logs of your server and of what stands before it for why the connection was closed before the "
        "answer was complete."
    ),
    ErrorKind.HTTP_STATUS: "Answer 2xx once you have the event; the log of your server tells why it did not.",
    ErrorKind.BLOCKED_ADDRESS: (
        "Use an https address that the public internet can reach; for development, a tunnel such as ngrok has one."
    ),
    ErrorKind.MALFORMED_ANSWER: "Check that an HTTP/1.1 server answers on this port, with a small head and body.",
}
_SIGNATURE = (
    "If your endpoint refuses our signature: compare the secrets, verify the raw body before it is parsed, and use "
    "HMAC-SHA256; otherwise let these requests in."
)
_PATH = "Check the path in the webhook's URL, and that it takes POST."
_BY_STATUS = {
    401: _SIGNATURE,
    403: _SIGNATURE,
    404: _PATH,
    405: _PATH,
    410: "The webhook was set inactive, as 410 asks for; if that was not meant, answer otherwise and enable it again.",
    413: "Let your server accept larger bodies: an event has up to 256 KiB.",
    429: "Give the webhook a `rate_limit` that your endpoint can take; `Retry-After` is honoured.",
}
_BY_CLASS = {
    3: "Set the webhook's URL to the final address: redirects are never followed.",
    5: "Look for the error in the log of your server; answer 2xx first and do the work afterwards.",
}


def advice(error: str | None, status_code: int | None) -> str | None:
    """What to do, in a sentence; `error` is an ErrorKind. None for a success, and for a kind of another version."""
    if error is None:
        return None
    by_status = _BY_STATUS.get(status_code or 0) or _BY_CLASS.get((status_code or 0) // 100)
    return by_status or _BY_KIND.get(error)
