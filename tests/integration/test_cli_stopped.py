"""Ctrl-C ends commands that only look while a server that was asked says nothing."""

import asyncio
import signal

import pytest

from tests.cluster import environment
from tests.commands import Forks, ended


@pytest.mark.parametrize(
    "arguments",
    [
        ("dead-letters", "list", "--json"),
        ("dead-letters", "show", "delivery_x"),
        ("doctor",),
        ("migrate",),
        ("status",),
    ],
)
async def test_ctrl_c_ends_a_look_at_a_server_that_is_silent(arguments: tuple[str, ...], forks: Forks) -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        there = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        env = environment(f"amqp://{there}/", f"mongodb://{there}/", STORE_TIMEOUT_SECONDS="600")
        process = await forks.start(env, *arguments)
        async with asyncio.timeout(60):
            await asked.wait()
            process.send_signal(signal.SIGINT)
            done = await ended(process)
    assert (done.code, done.out) == (130, "")
    assert done.err.startswith("dispatcher: stopped")
