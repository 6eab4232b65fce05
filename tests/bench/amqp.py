"""As much AMQP 0-9-1 as publishing single messages with confirms needs, so that the producer's own cost stays small.

Every event is a message of its own, persistent, mandatory and confirmed, as any client would publish it; only the
objects that a client makes around each are left out.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable, Iterable
from typing import cast

import pamqp.frame
from pamqp import body, commands, header, heartbeat
from pamqp.base import Frame
from yarl import URL

WHAT_IT_IS = "hand-written AMQP publisher: single persistent messages, each confirmed"
_CHANNEL = 1
_FRAME_HEAD = struct.Struct(">BHI")
_METHOD = struct.Struct(">HH")
_ACK = struct.Struct(">QB")
_METHOD_FRAME = 1
_BASIC_ACK = (60, 80)


class AmqpPublisher(asyncio.Protocol):
    """`confirmed` is called with how many messages the broker confirmed."""

    def __init__(self, confirmed: Callable[[int], None]) -> None:
        self._confirmed = confirmed
        self._received = b""
        self._sent = 0
        self._open: deque[int] = deque()  # tags not yet confirmed, if the broker confirms in order
        self._late: set[int] = set()
        self._answers: asyncio.Queue[Frame] = asyncio.Queue()
        self._transport: asyncio.Transport

    @property
    def in_flight(self) -> int:
        return len(self._open) - len(self._late)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    async def open(self, url: URL) -> None:
        """From the protocol header to a channel with confirms."""
        self._transport.write(b"AMQP\x00\x00\x09\x01")
        await self._answers.get()
        login = f"\0{url.user}\0{url.password}"
        await self._ask(0, commands.Connection.StartOk({}, "PLAIN", login, "en_US"))
        self._write(0, commands.Connection.TuneOk(channel_max=1, frame_max=131_072, heartbeat=0))
        await self._ask(0, commands.Connection.Open(URL(url).path.removeprefix("/") or "/"))
        await self._ask(_CHANNEL, commands.Channel.Open())
        await self._ask(_CHANNEL, commands.Confirm.Select())

    def publish(self, exchange: str, messages: Iterable[tuple[str, bytes]]) -> None:
        """(routing key, body) of each; one write to the socket for all."""
        frames = []
        for routing_key, content in messages:
            properties = commands.Basic.Properties(delivery_mode=2, content_type="application/json")
            self._sent += 1
            self._open.append(self._sent)
            frames += [
                self._encode(commands.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=True)),
                self._encode(header.ContentHeader(0, len(content), properties)),
                self._encode(body.ContentBody(content)),
            ]
        self._transport.write(b"".join(frames))

    def data_received(self, data: bytes) -> None:
        received, at, confirmed = self._received + data, 0, 0
        while len(received) - at >= _FRAME_HEAD.size:
            kind, _, size = _FRAME_HEAD.unpack_from(received, at)
            end = at + _FRAME_HEAD.size + size + 1
            if len(received) < end:
                break
            if kind == _METHOD_FRAME and _METHOD.unpack_from(received, at + 7) == _BASIC_ACK:
                confirmed += self._settle(*_ACK.unpack_from(received, at + 11))
            else:
                self._answer(pamqp.frame.unmarshal(received[at:end])[2])
            at = end
        self._received = received[at:]
        if confirmed:
            self._confirmed(confirmed)

    def _settle(self, tag: int, multiple: int) -> int:
        before = self.in_flight
        if multiple:
            while self._open and self._open[0] <= tag:
                self._late.discard(self._open.popleft())
        else:
            self._late.add(tag)
        while self._open and self._open[0] in self._late:
            self._late.discard(self._open.popleft())
        return before - self.in_flight

    def _answer(self, frame: object) -> None:
        if isinstance(frame, heartbeat.Heartbeat):
            return
        assert not isinstance(frame, commands.Basic.Return | commands.Basic.Nack | commands.Channel.Close), frame
        self._answers.put_nowait(cast("Frame", frame))

    def _encode(self, frame: pamqp.frame.FrameTypes) -> bytes:
        return pamqp.frame.marshal(frame, _CHANNEL)

    def _write(self, channel: int, frame: Frame) -> None:
        self._transport.write(pamqp.frame.marshal(frame, channel))

    async def _ask(self, channel: int, frame: Frame) -> None:
        self._write(channel, frame)
        await self._answers.get()

    def connection_lost(self, error: Exception | None) -> None:
        assert not self._open, f"the connection ended with {self.in_flight} messages not confirmed: {error}"

    def close(self) -> None:
        self._transport.close()
