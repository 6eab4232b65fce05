"""The raw loop: how fast a bare aiohttp client POSTs the same body to the same kind of receiver. One line of JSON."""

import argparse
import asyncio
import time

import aiohttp
import orjson
import uvloop
from yarl import URL

from tests.bench.payload import WEBHOOKS, posted_body

_IN_FLIGHT = 50


class RawLoop:
    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._urls = [URL(f"http://127.0.0.1:{port}/hooks/{number}") for number in range(WEBHOOKS)]
        self._body = posted_body()
        self.done = 0

    async def run(self) -> None:
        headers = {"Content-Type": "application/json"}
        while True:
            async with self._session.post(self._urls[self.done % WEBHOOKS], data=self._body, headers=headers) as answer:
                await answer.read()
                assert answer.status == 200, answer.status
            self.done += 1


async def main(options: argparse.Namespace) -> None:
    connector = aiohttp.TCPConnector(limit=_IN_FLIGHT, limit_per_host=_IN_FLIGHT)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False) as session:
        loop = RawLoop(session, options.port)
        tasks = [asyncio.create_task(loop.run()) for _ in range(_IN_FLIGHT)]
        await asyncio.sleep(options.warm_up)
        done, began, cpu = loop.done, time.perf_counter(), time.process_time()
        await asyncio.sleep(options.seconds)
        posts, seconds, used = loop.done - done, time.perf_counter() - began, time.process_time() - cpu
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [error for error in ended if isinstance(error, Exception)]
    if failed:
        raise failed[0]
    print(orjson.dumps({"per_second": posts / seconds, "cpu_us_per_post": used / posts * 1e6}).decode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--warm-up", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    uvloop.run(main(parser.parse_args()))
