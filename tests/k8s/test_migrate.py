"""The Job before a rollout: its command exists, and its pod has all that this needs and no more."""

import os

from motor.motor_asyncio import AsyncIOMotorClient

from deploy.local.servers import Server
from tests.commands import ended, started
from tests.k8s.rendered import Rendered

DATABASE = "migrated_by_the_job"


async def test_the_job_makes_indexes_and_queues_with_what_its_pod_is_given(
    prod: Rendered, rabbitmq: Server, mongodb: Server
) -> None:
    job = prod.workloads["migrate"]
    servers = {"DISPATCHER_AMQP_URL": rabbitmq.url, "DISPATCHER_MONGODB_URL": mongodb.url}
    assert set(job.secrets) == set(servers)
    env = {"PATH": os.environ["PATH"], **prod.configured, **servers, "DISPATCHER_MONGODB_DATABASE": DATABASE}
    command, *arguments = job.container["args"]
    assert command == "cli"
    done = await ended(await started(env, *arguments))
    assert done.code == 0, done.err
    client: AsyncIOMotorClient[dict[str, object]] = AsyncIOMotorClient(mongodb.url)
    try:
        assert "due_at_1" in await client[DATABASE].deliveries.index_information()
        await client.drop_database(DATABASE)
    finally:
        client.close()
