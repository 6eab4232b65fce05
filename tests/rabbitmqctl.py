"""RabbitMQ's own command, for what AMQP cannot do: virtual hosts, alarms."""

import asyncio

import pytest

from deploy.local.rabbitmq import NativeRabbitMQ
from deploy.local.servers import Server


async def rabbitmqctl(server: Server, *arguments: str) -> None:
    """Skips the test where the broker is a container."""
    if not isinstance(server, NativeRabbitMQ):
        pytest.skip("the broker is a container: its rabbitmqctl is inside")
    process = await asyncio.create_subprocess_exec(
        *("./sbin/rabbitmqctl", *arguments),
        cwd=server._binaries.rabbitmq,
        env=server._environment(),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
