"""`make up`: starts the containers, waits until they are well, shows one event of each type, says where things are."""

import asyncio
from pathlib import Path

from aiohttp import ClientSession

from deploy.compose.distant import DistantEndpoint
from deploy.compose.docker import DockerFailed
from deploy.compose.project import Project
from deploy.local.keys import write_private
from deploy.local.showcase import show

WAIT_SECONDS = 180
HINT = (
    "Is a port taken? Set DISPATCHER_API_PORT, DISPATCHER_INGEST_PORT, RABBITMQ_PORT or SAMPLE_PORT to a free one. "
    "Is the network? Set SAMPLE_NETWORK. Is a container unhealthy? See `make logs`."
)


def up(project: Project, env: Path) -> None:
    """Leaves the addresses and the operator's key in the private file `env`. Raises LocalServersError."""
    try:
        project.compose("up", "--detach", "--wait", "--wait-timeout", str(WAIT_SECONDS))
    except DockerFailed as error:
        raise DockerFailed(f"{error}. {HINT}") from None
    asyncio.run(_shown(project))
    write_private(env, _env_lines(project))
    _print_addresses(project, env)


async def _shown(project: Project) -> None:
    async with ClientSession() as http:
        endpoint = DistantEndpoint(http, project.url("sample"))
        await endpoint.start()
        await show(project, endpoint)


def _env_lines(project: Project) -> str:
    values = {
        "DISPATCHER_AMQP_URL": project.amqp_url,
        "DISPATCHER_API_URL": project.url("api"),
        "DISPATCHER_INGEST_URL": project.url("ingest"),
        "DISPATCHER_ADMIN_KEY": project.admin_key,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _print_addresses(project: Project, env: Path) -> None:
    print(f"dashboard       {project.url('api')}/dashboard (sign in with the operator's key)")
    print(f"API             {project.url('api')}/api/v1/webhooks")
    print(f"ingest          {project.url('ingest')}/api/v1/events")
    print(f"operator's key  {project.admin_key}")
    print(f"for scripts     {env}")
    print(f"commands        docker exec {project.name}-api-1 python -m services cli status")
    print(
        "`make logs` follows the logs, `make down` stops it and keeps the data, `make clean` removes them.", flush=True
    )
