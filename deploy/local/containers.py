"""RabbitMQ and MongoDB in containers. Their data end with `stop`; a kill, a pause or a restart keeps them."""

import logging
import socket
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]  # it has no stubs
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient, get_docker_host

from deploy.images import image_names
from deploy.local.errors import NoServers, ServerFailed
from deploy.local.folder import is_free
from deploy.local.mongodb import OPTIONS, replica_set_url
from deploy.local.progress import Progress
from deploy.local.readiness import LOOPBACK, answers_amqp, free_port, wait_until
from deploy.local.replica_set import is_writable_primary

FOLDER_LABEL = "webhook-dispatcher.folder"  # whose lock tells whether the container's owner still lives
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 20
AMQP_PORT = 5672
DEFAULT_ENGINE = "unix:///var/run/docker.sock"

# What Ryuk does for a killed owner, the label does here: no helper image, and it works where none can be pulled.
testcontainers_config.ryuk_disabled = True
logging.getLogger("testcontainers").setLevel(logging.WARNING)


class Engine:
    """A Docker engine that answers and has both images."""

    def __init__(self, images: dict[str, str]) -> None:
        self.images = images

    def container(self, image: str, *, folder: Path, inner_port: int, port: int) -> DockerContainer:
        container = DockerContainer(self.images[image]).with_kwargs(labels={FOLDER_LABEL: str(folder)})
        # A fixed port, as a random one changes with a restart; loopback only, which with_bind_ports cannot say.
        container.ports[f"{inner_port}/tcp"] = (LOOPBACK, port)  # type: ignore[assignment]
        return container


def find_engine(progress: Progress) -> Engine:
    """NoServers when no engine answers or an image cannot be had; removes the containers of runs that were killed."""
    images = image_names()
    client = _client()
    try:
        for image in (images["RABBITMQ_IMAGE"], images["MONGO_IMAGE"]):
            _ensure_image(client, image, progress)
        for container in _ours(client):
            if is_free(Path(container.labels[FOLDER_LABEL])):
                container.remove(force=True, v=True)
    except DockerException as error:
        raise NoServers(f"the Docker engine refused: {str(error).splitlines()[0]}") from None
    finally:
        client.client.close()
    return Engine(images)


def remove_containers_under(root: Path) -> None:
    """Removes every container whose folder lies under root; does nothing when no engine answers."""
    try:
        client = _client()
    except NoServers:
        return
    for container in _ours(client):
        if Path(container.labels[FOLDER_LABEL]).is_relative_to(root):
            container.remove(force=True, v=True)
    client.client.close()


def _client() -> DockerClient:
    try:
        _knock(get_docker_host() or DEFAULT_ENGINE)
        return DockerClient()
    except (DockerException, OSError):
        raise NoServers("no Docker engine answers") from None


def _knock(host: str) -> None:
    """OSError when nobody listens. Asked first, because the library leaks a socket when that is so."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(host.removeprefix("unix://"))


def _ours(client: DockerClient) -> list[Any]:
    return list(client.client.containers.list(all=True, filters={"label": FOLDER_LABEL}))


def _ensure_image(client: DockerClient, image: str, progress: Progress) -> None:
    try:
        client.client.images.get(image)
    except ImageNotFound:
        progress(f"pulling {image} …")
        client.client.images.pull(image)
        progress(f"pulled {image}")


class _DockerServer(ABC):
    """What both containers have in common; see `deploy.local.servers.Server` for what the methods promise."""

    name: str
    kind = "docker"

    def __init__(self, container: DockerContainer) -> None:
        self._container = container
        self._started = False

    @abstractmethod
    def is_ready(self) -> bool: ...

    def start(self) -> None:
        if not self._started:
            self._container.start()
            self._started = True
        elif self._status() == "exited":
            self._container.get_wrapped_container().start()
        self._wait_ready()

    def kill(self) -> None:
        if self._status() not in ("none", "exited"):
            self.resume()
            self._container.get_wrapped_container().kill()
            self._container.get_wrapped_container().wait()

    def pause(self) -> None:
        if self._status() == "running":
            self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        if self._status() == "paused":
            self._container.get_wrapped_container().unpause()

    def restart(self) -> None:
        self.resume()
        if self._status() == "running":
            self._container.get_wrapped_container().stop(timeout=STOP_TIMEOUT_SECONDS)
        self.start()

    def stop(self) -> None:
        if self._started:
            self._started = False
            self._container.stop()

    def _status(self) -> str:
        if not self._started:
            return "none"
        self._container.reload()
        return self._container.status

    def _wait_ready(self) -> None:
        if not wait_until(
            self.is_ready, alive=lambda: self._status() == "running", timeout_seconds=START_TIMEOUT_SECONDS
        ):
            log = self._container.get_wrapped_container().logs(tail=15).decode(errors="replace")
            raise ServerFailed(f"The container of {self.name} did not get ready. The end of its log:\n{log}")


class DockerRabbitMQ(_DockerServer):
    name = "rabbitmq"

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._port = free_port()
        self.url = f"amqp://guest:guest@{LOOPBACK}:{self._port}/"
        super().__init__(engine.container("RABBITMQ_IMAGE", folder=folder, inner_port=AMQP_PORT, port=self._port))

    def is_ready(self) -> bool:
        return answers_amqp(self._port)


class DockerMongoDB(_DockerServer):
    name = "mongodb"

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._port = port = free_port()
        self.url = replica_set_url(port)
        # The same port inside and outside: the set's member is then known by one address in both places.
        container = engine.container("MONGO_IMAGE", folder=folder, inner_port=port, port=port)
        super().__init__(container.with_command(["mongod", "--bind_ip_all", "--port", str(port), *OPTIONS]))

    def is_ready(self) -> bool:
        return is_writable_primary(f"{LOOPBACK}:{self._port}")
