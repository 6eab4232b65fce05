"""One connection to an endpoint: what comes over it is counted, and no more of it is taken than an answer needs."""

from contextvars import ContextVar
from typing import Any

from aiohttp import AddrInfoType
from aiohttp.client_proto import ResponseHandler
from cryptography import x509
from yarl import URL

HEAD_LIMIT_BYTES = 32 * 1024
ANSWER_LIMIT_BYTES = 1024 * 1024
"""More than the reader of a body, who stops at 16 KiB, ever gets to see: it is all trailers, or chunks' extensions."""


class Exchange:
    """What is known of a request under way: its words, if it fails, are made from this.

    `address` is the last that a socket was made for, None while a kept connection is used; behind a proxy it is the
    proxy's. `wire` is there once connected; `shown` is the certificate that was `refused`.
    """

    address: AddrInfoType | None = None
    wire: "Wire | None" = None
    body_bytes: int = 0
    refused: Exception | None = None
    shown: x509.Certificate | None = None

    def __init__(self, url: URL, *, proxied: bool = False) -> None:
        self.url = url
        self.proxied = proxied

    @property
    def peer(self) -> str:
        """The other end, for people."""
        if not self.address or self.proxied:
            return str(self.url.host)
        return f"{self.address[4][0]} port {self.address[4][1]}"


current: ContextVar[Exchange] = ContextVar("exchange")


class Wire(ResponseHandler):
    """aiohttp bounds one line and the number of lines; this bounds the head, interim answers included, and the whole.

    `received`: bytes of this answer so far; `answered`: its head is complete; `excess`: what there was too much of.
    Its base is called by name: `super()` would cost every request more than the bounds do.
    """

    received = 0
    answered = False
    excess: str | None = None

    def set_response_params(self, **options: Any) -> None:
        """A request begins."""
        self.received = 0
        self.answered = False
        if exchange := current.get(None):
            exchange.wire = self
        ResponseHandler.set_response_params(self, **options)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """A head is complete; those from 100 on are interim."""
        if data[0].code >= 200 or data[0].code == 101:
            self.answered = True
        ResponseHandler.feed_data(self, data, size)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self.received <= HEAD_LIMIT_BYTES:
            ResponseHandler.data_received(self, data)
        else:
            self._much_received(data)

    def _much_received(self, data: bytes) -> None:
        """Taken in pieces, so that a flood of interim answers is not all parsed before it is cut."""
        for start in range(0, len(data), HEAD_LIMIT_BYTES):
            if not self.excess:
                ResponseHandler.data_received(self, data[start : start + HEAD_LIMIT_BYTES])
                self._cut_off_if_too_much()

    def _cut_off_if_too_much(self) -> None:
        if not self.answered:
            self.excess = f"its head is longer than {HEAD_LIMIT_BYTES // 1024} KiB"
        elif self.received > ANSWER_LIMIT_BYTES:
            self.excess = "its body comes with too much around it"
        if self.excess and self.transport:
            self.transport.abort()
