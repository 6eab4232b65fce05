"""A producer: publishes single events, persistent and confirmed, many in flight, at most so many undelivered."""

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import aiormq
import uvloop
from aiormq.channel import Channel
from pamqp.commands import Basic

from shared.broker.topology import EVENTS
from tests.bench.children import parent_gone
from tests.bench.counters import Counters
from tests.bench.payload import Shape

_IN_FLIGHT = 200
_TICK_SECONDS = 0.001

Allowance = Callable[[int], int]
"""How many more events may be published by now, given how many were begun."""


class Pump:
    """Publishes as many events as `allowed` permits; `stop` returns when the broker has confirmed all it was sent."""

    def __init__(self, channel: Channel, shape: Shape, counters: Counters, allowed: Allowance) -> None:
        self._channel = channel
        self._events = shape.events()
        self._counters = counters
        self._allowed = allowed
        self._begun = 0
        self._done = 0
        self._tokens = asyncio.Semaphore(0)
        self._stopping = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            publishing = [tasks.create_task(self._publish()) for _ in range(_IN_FLIGHT)]
            while not self._stopping or self._done < self._begun:
                self._release(0 if self._stopping else self._allowed(self._begun))
                await asyncio.sleep(_TICK_SECONDS)
            for task in publishing:
                task.cancel()

    def stop(self) -> None:
        self._stopping = True

    def _release(self, count: int) -> None:
        for _ in range(count):
            self._begun += 1
            self._tokens.release()

    async def _publish(self) -> None:
        while True:
            await self._tokens.acquire()
            name, event = next(self._events)
            confirmation = await self._channel.basic_publish(
                event,
                exchange=EVENTS,
                routing_key=name,
                properties=Basic.Properties(delivery_mode=2, content_type="application/json"),
                mandatory=True,
                wait=False,  # for the socket; the confirmation is waited for
            )
            assert isinstance(confirmation, Basic.Ack), confirmation
            self._counters.count_published()
            self._done += 1


def bounded(counters: Counters, fanout: int, undelivered: int) -> Allowance:
    """As fast as possible with at most `undelivered` deliveries on their way."""
    first = counters.published

    def allowed(begun: int) -> int:
        room = undelivered - ((first + begun) * fanout - counters.received)
        return -(-room // fanout)

    return allowed


def paced(rate: float) -> Allowance:
    start = time.perf_counter()
    return lambda begun: int((time.perf_counter() - start) * rate) - begun


def exactly(count: int) -> Allowance:
    return lambda begun: count - begun


async def main(options: argparse.Namespace) -> None:
    counters = Counters(options.counters)
    connection = await aiormq.connect(options.url)
    channel = await connection.channel(publisher_confirms=True)
    assert isinstance(channel, Channel)
    allowed = {
        "bounded": lambda: bounded(counters, options.fanout, int(options.value)),
        "paced": lambda: paced(options.value / options.fanout),
        "exactly": lambda: exactly(int(options.value)),
    }[options.mode]()
    pump = Pump(channel, Shape(options.fanout), counters, allowed)
    pumping = asyncio.create_task(pump.run())
    stopped = asyncio.create_task(parent_gone())
    await asyncio.wait([pumping, stopped], return_when=asyncio.FIRST_COMPLETED)
    pump.stop()
    await pumping
    await connection.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--counters", type=Path, required=True)
    parser.add_argument("--fanout", type=int, required=True)
    parser.add_argument("--mode", choices=("bounded", "paced", "exactly"), required=True)
    parser.add_argument("--value", type=float, required=True, help="deliveries undelivered, deliveries/s, events")
    return parser.parse_args()


if __name__ == "__main__":
    uvloop.run(main(_options()))
