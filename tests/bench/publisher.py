"""A producer: publishes single events, persistent and confirmed, many in flight, at most so many undelivered."""

import argparse
import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import uvloop
from yarl import URL

from shared.broker.topology import EVENTS
from tests.bench.amqp import AmqpPublisher
from tests.bench.children import parent_gone
from tests.bench.counters import Counters
from tests.bench.payload import Shape

_IN_FLIGHT = 200
_TICK_SECONDS = 0.001

Allowance = Callable[[int], int]
"""How many more events may be published by now, given how many were begun."""


class Pump:
    """Publishes as many events as `allowed` permits, 200 in flight; `stop` has it end once all are confirmed."""

    def __init__(self, shape: Shape, counters: Counters, allowed: Allowance) -> None:
        self._events = shape.events()
        self._allowed = allowed
        self._begun = 0
        self._stopping = False
        self._publisher = AmqpPublisher(counters.count_published)

    async def run(self, url: URL) -> None:
        publisher, loop = self._publisher, asyncio.get_running_loop()
        await loop.create_connection(lambda: publisher, url.host, url.port or 5672)
        await publisher.open(url)
        while not self._stopping or publisher.in_flight:
            count = min(self._allowed(self._begun), _IN_FLIGHT - publisher.in_flight)
            if count > 0 and not self._stopping:
                self._begun += count
                publisher.publish(EVENTS, itertools.islice(self._events, count))
            await asyncio.sleep(_TICK_SECONDS)
        publisher.close()

    def stop(self) -> None:
        self._stopping = True


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
    allowed = {
        "bounded": lambda: bounded(counters, options.fanout, int(options.value)),
        "paced": lambda: paced(options.value / options.fanout),
        "exactly": lambda: exactly(int(options.value)),
    }[options.mode]()
    pump = Pump(Shape(options.fanout, options.bad), counters, allowed)
    pumping = asyncio.create_task(pump.run(URL(options.url)))
    stopped = asyncio.create_task(parent_gone())
    await asyncio.wait([pumping, stopped], return_when=asyncio.FIRST_COMPLETED)
    pump.stop()
    await pumping


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--counters", type=Path, required=True)
    parser.add_argument("--fanout", type=int, required=True)
    parser.add_argument("--bad", default="")
    parser.add_argument("--mode", choices=("bounded", "paced", "exactly"), required=True)
    parser.add_argument("--value", type=float, required=True, help="deliveries undelivered, deliveries/s, events")
    return parser.parse_args()


if __name__ == "__main__":
    uvloop.run(main(_options()))
