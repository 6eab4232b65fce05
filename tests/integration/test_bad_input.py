"""Bad input of every kind, for every operation of the real processes: 4xx in the platform's format, and cheap."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
import pytest_asyncio

from deploy.local.servers import Server
from shared.broker.topology import FANOUT
from tests.cluster import SESSION, TENANT, Cluster, cluster
from tests.integration.bad_input import VALUES, Operation, cases
from tests.queues import taken
from tests.rawhttp import Answer, exchange

TRIES = 3
ALLOWED_MS = 100
PER_MEBIBYTE_MS = 75  # of a batch, of which ingest reads up to 5 MiB: good ones cost no less than bad ones
MEBIBYTE = 1024 * 1024
FILTER = {"any": [{"field": "more", "eq": "x"}, {"field": "more", "in": [1, "x"]}, {"field": "more", "gt": 1}]}
BODIES: dict[str, Any] = {
    "WebhookCreate": {"tenant_id": TENANT, "url": "https://your-app.com/x", "event_type": "session.created"},
    "WebhookPatch": {"description": "d"},
    "Rotation": {"secret": "a-secret-of-a-customer"},
    "SampleWanted": {"event_type": "session.created"},
    "Explain": {"event": "session.created", "data": SESSION},
    "CancelWanted": {"dry_run": True},
    "ReplayWanted": {"since": "2020-01-01T00:00:00Z", "dry_run": True},
    "KeyCreate": {"tenant_id": TENANT, "scopes": ["read"]},
    "Publication": {
        "event": "session.created",
        "tenant_id": TENANT,
        "data": SESSION,
        "timestamp": "2025-01-15T10:30:00Z",
        "event_id": "e1",
        "delivery_id": "d1",
    },
}
HARMLESS = {
    r"header: X-Request-Id .*": "what is no id is replaced by one of ours",
    r"header: traceparent .*": "what is malformed is as good as none",
    r"header: (If-Match|Idempotency-Key) .*": "nobody looks at it there",
    r"body: empty": "every field may be left out there",
    r"parameter (since|until): (a far|the first) moment": "as good as the last and the first that can be stored",
    r"field filter .*gt.*: -2\^63-1": "an order is one of double precision",
    r"parameter tenant_id: (1e400|2\^64)": "a tenant may be called so",
}
"""By name, what may be accepted although it is odd, and why."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(tmp_path_factory: Any, rabbitmq: Server, mongodb: Server) -> AsyncIterator[Cluster]:
    folder = tmp_path_factory.mktemp("bad_input")
    async with cluster(folder, rabbitmq.url, mongodb.url, "ingest", "api", WEBHOOKS_PER_TENANT="100000") as started:
        yield started


async def things_of(services: Cluster) -> dict[str, str]:
    """By the name of the parameter that they fill."""

    async def made(path: str, body: Any = None) -> Any:
        async with services.http.post(services.api + path, json=body) as response:
            assert response.status in (201, 202), await response.text()
            return await response.json()

    webhook = await services.create_webhook("https://your-app.com/x", filter=FILTER)
    sample = await made(f"/api/v1/webhooks/{webhook['id']}/test")
    replay = await made(f"/api/v1/webhooks/{webhook['id']}/replay", {"since": "2020-01-01T00:00:00Z"})
    return {
        "webhook_id": webhook["id"],
        "delivery_id": sample["delivery_id"],
        "event_id": sample["event_id"],
        "replay_id": replay["id"],
        "key_id": "key_0",
        "tenant_id": TENANT,
        "erasure_id": "erasure_0",
    }


async def operations(services: Cluster, url: str) -> list[Operation]:
    async with services.http.get(url + "/openapi.json") as response:
        document = await response.json()
    return [
        _operation(document, path, method, described, await things_of(services))
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]


def _operation(document: Any, path: str, method: str, described: Any, things: dict[str, str]) -> Operation:
    """What would be deleted is not there, so that it is there for the next."""
    ids = {name: identity if method != "delete" else identity.split("_")[0] + "_0" for name, identity in things.items()}
    body, fields = None, ()
    if "requestBody" in described:
        schema = described["requestBody"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
        body = BODIES[schema]
        fields = tuple(document["components"]["schemas"][schema].get("properties", body))
    return Operation(
        name=described["operationId"],
        method=method.upper(),
        target=path.format(**ids),
        template=path,
        parameters=tuple(one["name"] for one in described["parameters"] if one["in"] == "query"),
        body=body,
        fields=fields,
    )


async def cheapest(process: psutil.Process, url: str, raw: bytes, allowed_ms: float) -> tuple[Answer, float]:
    """An answer, and what it cost the process in milliseconds; tried again while it is too much."""
    least = float("inf")
    for _ in range(TRIES):
        before = process.cpu_times()
        answer = await exchange(url, raw)
        after = process.cpu_times()
        least = min(least, 1000 * (after.user + after.system - before.user - before.system))
        if least < allowed_ms:
            break
    return answer, least


def complaints(name: str, raw: bytes, answer: Answer) -> list[str]:
    found = []
    if not 200 <= answer.status < 500:
        found.append(f"status {answer.status}")
    if not re.fullmatch(r"[\x21-\x7e]{1,128}", answer.headers.get("x-request-id", "")):
        found.append("no X-Request-Id")
    if answer.status >= 300 and not _is_refusal(answer):
        found.append("not in the platform's format")
    if answer.status < 300 and not _may_be_accepted(name, raw, answer):
        found.append("accepted")
    return found


def _is_refusal(answer: Answer) -> bool:
    if answer.headers.get("content-type") != "application/json":
        return False
    return list(answer.json) == ["error", "code", "details"] and isinstance(answer.json["details"], dict)


def _may_be_accepted(name: str, raw: bytes, answer: Answer) -> bool:
    """A value of a field is shown as it was sent; of an array of events every one is refused by itself."""
    if any(re.fullmatch(pattern, name) for pattern in HARMLESS):
        return True
    if name.startswith("field "):
        field = name.split()[1]
        return field not in answer.json or _is_echoed(
            json.loads(raw.partition(b"\r\n\r\n")[2])[field], answer.json[field]
        )
    results = answer.json.get("results", [])
    return {result["status"] for result in results} == {"refused"}


def _is_echoed(sent: Any, shown: Any) -> bool:
    return sent is None or (sent == shown and isinstance(sent, bool) == isinstance(shown, bool))


async def is_stored(services: Cluster, name: str, answer: Answer) -> bool:
    """What was accepted is read again as it was answered; an event's data are in its message byte by byte."""
    if answer.status == 202 and "event_id" in answer.json and name.startswith("field data"):
        return VALUES[name.rpartition("%s")[2].partition(": ")[2]].encode() in b"".join(
            [message.body for message in await taken(services.amqp_url, FANOUT)]
        )
    if not str(answer.json.get("id")).startswith("webhook_"):
        return True
    async with services.http.get(f"{services.api}/api/v1/webhooks/{answer.json['id']}") as response:
        return bool(await response.json() == {key: value for key, value in answer.json.items() if key != "secret"})


@pytest.mark.parametrize("service", ["api", "ingest"])
async def test_bad_input_is_refused_in_the_platform_s_format_or_kept_as_it_is_and_costs_little(
    services: Cluster, service: str
) -> None:
    url, process = getattr(services, service), psutil.Process(services.of(service)[0].pid)
    wrong: list[str] = []
    costs: dict[str, float] = {}
    statuses: Counter[int] = Counter()
    for operation in await operations(services, url):
        for name, raw in cases(operation):
            allowed_ms = max(ALLOWED_MS, PER_MEBIBYTE_MS * len(raw) / MEBIBYTE if service == "ingest" else 0)
            answer, cost = await cheapest(process, url, raw, allowed_ms)
            statuses[answer.status] += 1
            costs[f"{operation.name}, {name}"] = cost
            found = complaints(name, raw, answer)
            if cost >= allowed_ms:
                found.append(f"{cost:.0f} ms")
            if answer.status < 300 and not await is_stored(services, name, answer):
                found.append("not stored as it was answered")
            wrong += [f"{operation.name}, {name}: {what}; {answer.body[:200]!r}" for what in found]
    dearest = sorted(costs, key=costs.__getitem__)[-3:]
    print(service, dict(statuses), {name: f"{costs[name]:.0f} ms" for name in dearest})
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:60])
