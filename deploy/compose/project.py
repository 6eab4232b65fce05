"""One copy of deploy/compose.yml: its name, its keys in a private file, and Compose's commands on it."""

import os
from pathlib import Path

from deploy import images
from deploy.compose.docker import answer_of, compose_command, run
from deploy.local.download import PROJECT
from deploy.local.keys import remembered_keys

NAME = "webhook-dispatcher"
FILE = PROJECT / "deploy/compose.yml"


class Project:
    """Raises DockerMissing when there is nothing to run it with."""

    def __init__(self, folder: Path, name: str = NAME) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        keys = remembered_keys(folder / "keys.json")
        made = {
            "DISPATCHER_ADMIN_KEY": keys["admin_key"],
            "DISPATCHER_SECRET_KEYS": keys["secret_keys"],
            "RABBITMQ_PASSWORD": keys["rabbitmq_password"],
            "SAMPLE_SECRET": keys["sample_secret"],
            "DISPATCHER_EGRESS_ALLOW": "",  # Compose warns of what is not set
        }
        self.env = {**os.environ, **{variable: os.environ.get(variable) or key for variable, key in made.items()}}
        self.name = name
        files = ["--env-file", str(images.FILE), "--file", str(FILE)]
        self._compose = [*compose_command(), "--project-name", name, *files]

    @property
    def admin_key(self) -> str:
        return self.env["DISPATCHER_ADMIN_KEY"]

    @property
    def sample_secret(self) -> str:
        return self.env["SAMPLE_SECRET"]

    @property
    def amqp_url(self) -> str:
        """As producers on this machine know it."""
        return f"amqp://dispatcher:{self.env['RABBITMQ_PASSWORD']}@{self.address('rabbitmq', 5672)}/"

    @property
    def where_logs_are(self) -> str:
        return "see `make logs`"

    def url(self, name: str) -> str:
        return "http://" + self.address(name, {"api": 8080, "ingest": 8081, "sample": 9000}[name])

    def address(self, service: str, inner_port: int) -> str:
        """Where this machine reaches a port of a service."""
        return self.answer("port", service, str(inner_port))

    def answer(self, *arguments: str) -> str:
        return answer_of([*self._compose, *arguments], self.env)

    def compose(self, *arguments: str) -> None:
        run([*self._compose, *arguments], self.env)
