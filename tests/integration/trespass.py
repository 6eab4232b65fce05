"""What one tenant may try in order to reach another's things, made from the OpenAPI document.

An operation, a parameter or a body that this file does not know how to fill fails here, so that none is forgotten.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from shared.contracts.listing import Position
from tests.cluster import SESSION

Json = dict[str, Any]

OPERATOR_ONLY = {"erase_tenant", "get_erasure"}
OF_NO_TENANT = {"list_event_types"}
NARROWING = {"limit", "event_type", "since", "until", "response_status", "status"}
"""Parameters that name nobody's thing."""
BODIES: dict[str, Json] = {
    "WebhookCreate": {"url": "https://your-app.com/x", "event_type": "*"},
    "WebhookPatch": {"paused": True},
    "Rotation": {},
    "SampleWanted": {},
    "Explain": {"event": "session.created", "data": SESSION},
    "CancelWanted": {},
    "ReplayWanted": {"since": "2020-01-01T00:00:00Z", "which": "all"},
    "KeyCreate": {"scopes": ["read"]},
}


def _encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


FORMS: dict[str, Callable[[str, str], str]] = {
    "plain": lambda _, identity: quote(identity),
    "encoded": lambda _, identity: _encoded(identity),
    "behind its tenant": lambda tenant, identity: f"{tenant}%2F{identity}",
    "up and behind its tenant": lambda tenant, identity: f"..%2F{tenant}%2F{identity}",
    "a dot after it": lambda _, identity: identity + ".",
    "a space after it": lambda _, identity: identity + "%20",
    "a line's end after it": lambda _, identity: identity + "%0A",
    "NUL after it": lambda _, identity: identity + "%00",
    "upper case": lambda _, identity: identity.upper(),
    "twice encoded": lambda _, identity: quote(_encoded(identity)),
}
OWN_FORMS = ("plain", "encoded")
"""Those by which the owner finds it."""


@dataclass(frozen=True)
class Things:
    """One of each that a tenant can have."""

    tenant_id: str
    key: str
    ids: dict[str, str]
    """By the name of the parameter that they fill."""
    position: Position
    words: tuple[str, ...]
    """In this tenant's documents and in no other's."""


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    query: Json = field(default_factory=dict)
    body: Json | None = None

    @property
    def text(self) -> str:
        return unquote(self.path) + json.dumps([self.query, self.body])


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    path: str
    described: Json

    @property
    def path_names(self) -> list[str]:
        return [found["name"] for found in self.described["parameters"] if found["in"] == "path"]

    @property
    def query_names(self) -> set[str]:
        return {found["name"] for found in self.described["parameters"] if found["in"] == "query"}

    @property
    def good(self) -> int:
        return min(int(status) for status in self.described["responses"])

    def body(self) -> Json | None:
        if "requestBody" not in self.described:
            return None
        schema = self.described["requestBody"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
        assert schema in BODIES, f"{self.name}: say in BODIES what a valid {schema} is"
        return BODIES[schema]

    def call(self, things: Things, form: str = "plain", query: Json | None = None, **more: Any) -> Call:
        path = self.path
        for name in self.path_names:
            assert name in things.ids, f"{self.name}: {name} is none of a tenant's things; let things_of() make one"
            path = path.replace(f"{{{name}}}", FORMS[form](things.tenant_id, things.ids[name]))
        body = self.body()
        return Call(self.method, path, query or {}, {**(body or {}), **more} if body is not None or more else None)


def operations(document: Json) -> list[Operation]:
    found = [
        Operation(described["operationId"], method.upper(), path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
    for one in found:
        unknown = one.query_names - NARROWING - {"cursor", "tenant_id", "webhook_id"}
        assert not unknown, f"{one.name}: does {unknown} name a thing of a tenant?"
        names_a_tenant = one.path_names or one.query_names or one.body() is not None
        assert bool(names_a_tenant) != (one.name in OF_NO_TENANT), one.name
    return found


def trespasses(operation: Operation, a: Things, b: Things) -> Iterator[Call]:
    """All that b may try in order to reach a's things by this operation."""
    if operation.path_names:
        for form in FORMS:
            yield operation.call(a, form)
            yield operation.call(a, form, query={"tenant_id": a.tenant_id})
        yield operation.call(a, tenant_id=a.tenant_id)
    yield operation.call(b, query={"tenant_id": a.tenant_id})
    if operation.body() is not None:
        yield operation.call(b, tenant_id=a.tenant_id)
    if "webhook_id" in operation.query_names:
        yield operation.call(b, query={"webhook_id": a.ids["webhook_id"]})
        yield operation.call(b, query={"webhook_id": a.ids["webhook_id"], "tenant_id": b.tenant_id})


def is_refusal(operation: Operation, call: Call, status: int, answer: Any) -> bool:
    named = "tenant_id" in {**call.query, **(call.body or {})}
    match status, answer.get("code"):
        case (404, "WEBHOOK_NOT_FOUND" | "INVALID_REQUEST"):
            return True
        case (403, "FORBIDDEN"):
            return operation.name in OPERATOR_ONLY
        case (403, "TENANT_MISMATCH"):
            return named
        case (400, "INVALID_REQUEST"):  # a tenant's name is no field or parameter here
            return named and answer["details"]["field"] == "tenant_id"
        case (200, None) if "webhook_id" in call.query:  # b's history of a webhook that it never had
            return bool(answer == {operation.path.rsplit("/", 1)[1]: [], "next_cursor": None})
    return False
