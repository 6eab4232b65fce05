"""Looks for secrets in all that a run leaves behind, in every form in which programs write them down."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bson

from tests.cluster import ADMIN_KEY, SESSION, TENANT, Cluster
from tests.queues import seen

QUEUES = ("deliveries", "deliveries.bulk", "deliveries.again", "parked", "dead-letters.deliveries")
CHUNK = 16 * 1024 * 1024


EVENT = {"event": "session.created", "tenant_id": TENANT, "data": SESSION}
Json = dict[str, Any]


@dataclass
class Run:
    """`secrets` by what they are; `answers` by what was asked, each without the secret that it may show."""

    services: Cluster
    secrets: dict[str, bytes]
    answers: dict[str, bytes] = field(default_factory=dict)
    webhooks: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, url: str, body: Any = None, *, key: str = ADMIN_KEY, shows: str = "") -> Json:
        """`shows`: the field in which a secret is shown for the only time."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"X-API-Key": key, "Content-Type": "application/json"}
        async with self.services.http.request(method, url, data=raw, headers=headers) as response:
            text = await response.read()
            answer: Json = json.loads(text) if text.startswith(b"{") else {}
            if shows:
                self.secrets[f"{shows} {len(self.secrets)}"] = answer[shows].encode()
                text = text.replace(answer[shows].encode(), b"", 1)
            self.keep(method, url, response.status, text + repr(response.headers).encode())
            return answer

    def keep(self, method: str, url: str, status: int, text: bytes) -> None:
        self.answers[f"answer {len(self.answers)}: {method} {url} {status}"] = text

    async def subscribe(self, name: str, url: str, shows: str = "", **fields: Any) -> None:
        body = {"tenant_id": TENANT, "url": url, "event_type": "session.created", "max_attempts": 2, **fields}
        made = await self.ask("POST", self.services.api + "/api/v1/webhooks", body, shows=shows)
        self.webhooks[name] = made["id"]

    def path(self, name: str, action: str = "") -> str:
        return f"{self.services.api}/api/v1/webhooks/{self.webhooks[name]}{action}"

    def text(self, name: str) -> str:
        return self.secrets[name].decode()


def forms(secret: bytes) -> dict[str, bytes]:
    found = {
        "plain": secret,
        "hex": secret.hex().encode(),
        "HEX": secret.hex().upper().encode(),
        "in a URL": quote(secret, safe="").encode(),
        "in JSON": json.dumps(secret.decode("latin-1"))[1:-1].encode(),
    }
    for shift in range(3):  # base64 of a text that holds it depends on how many bytes are before it
        whole = base64.b64encode(b"\0" * shift + secret)
        inner = whole[4 if shift else 0 : len(whole) // 4 * 4 - 4]
        found[f"base64, {shift} before"] = inner
        found[f"base64url, {shift} before"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return found


def found_in(text: bytes, secrets: dict[str, bytes]) -> list[str]:
    """Names of the secrets that it holds, with the form."""
    return [
        f"{name} ({form})"
        for name, secret in secrets.items()
        for form, written in forms(secret).items()
        if written in text
    ]


def hunt(places: dict[str, bytes], secrets: dict[str, bytes]) -> dict[str, list[str]]:
    held = {place: found_in(text, secrets) for place, text in places.items()}
    return {place: names for place, names in held.items() if names}


async def documents(services: Cluster) -> dict[str, bytes]:
    """Each document of the database as BSON."""
    found = {}
    for name in await services.db.list_collection_names():
        async for document in services.db[name].find({}):
            found[f"document {name}/{document['_id']}"] = bson.encode(document)
    return found


async def messages(services: Cluster, *more: str) -> dict[str, bytes]:
    """What lies on the queues, which stays there: body, headers and properties."""
    found = {}
    for name in (*QUEUES, *more):
        for message in await seen(services.amqp_url, name):
            found[f"message {name} {message.delivery_tag}"] = message.body + repr(message.info()).encode()
    return found


def logs(services: Cluster) -> dict[str, bytes]:
    return {f"log {service.log.name}": service.log.read_bytes() for service in services.services}


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Servers' data and logs. Large files come in parts that overlap."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            part = b""
            while more := file.read(CHUNK):
                part = part[-4096:] + more
                yield f"file {path.relative_to(folder)}", part


def on_disk(folder: Path, secrets: dict[str, bytes]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, part in files(folder):
        if held := found_in(part, secrets):
            found.setdefault(name, []).extend(held)
    return found
