"""The OpenAPI documents are true: what they allow is accepted, what they do not is refused, answers are as they say."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
import openapi_spec_validator
import pytest
import pytest_asyncio

from deploy.local.servers import Server
from tests.cluster import TENANT, Cluster, cluster
from tests.fuzz import Case, fuzz

SETTINGS = {
    "API_REQUESTS_PER_MINUTE": "0",
    "INGEST_EVENTS_PER_MINUTE": "0",
    "WEBHOOKS_PER_TENANT": "1000000",
    # No schema can say which addresses are public, and nothing is delivered here: let all of them pass.
    "EGRESS_ALLOW": "0.0.0.0/0,::/0",
}
SERVICES = ("api", "ingest")
PHASES = "--phases=examples,coverage,fuzzing"  # the one that is left, of links, has a test of its own
UNSAYABLE = ("nested deeper than 8 levels", "and is not an IP address")  # a schema cannot count
STARTS = {"send_sample", "customer_send_sample", "replay", "customer_replay"}
Json = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services(
    rabbitmq: Server, mongodb: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Cluster]:
    folder = tmp_path_factory.mktemp("openapi")
    async with cluster(folder, rabbitmq.url, mongodb.url, *SERVICES, **SETTINGS) as started:
        yield started


async def document(services: Cluster, name: str) -> Json:
    async with services.http.get(f"{getattr(services, name)}/openapi.json") as response:
        found: Json = await response.json()
        return found


async def admin_key(services: Cluster) -> str:
    """Of a tenant."""
    body = {"tenant_id": TENANT, "scopes": ["admin"]}
    async with services.http.post(services.api + "/api/v1/api-keys", json=body) as response:
        return str((await response.json())["key"])


@pytest.mark.parametrize("name", SERVICES)
async def test_a_document_is_openapi(services: Cluster, name: str) -> None:
    openapi_spec_validator.validate(await document(services, name))


@pytest.mark.parametrize("name", SERVICES)
async def test_every_example_is_one_of_what_it_stands_for(services: Cluster, name: str) -> None:
    described = await document(services, name)
    examples = list(with_examples(described))
    assert len(examples) >= 5
    for schema in examples:
        validator = jsonschema_rs.validator_for(
            {**schema, "components": described["components"]}, validate_formats=True
        )
        for example in schema["examples"]:
            validator.validate(example)


def with_examples(node: object) -> Iterator[Json]:
    if isinstance(node, dict):
        if isinstance(node.get("examples"), list):
            yield node
        for inner in node.values():
            yield from with_examples(inner)
    if isinstance(node, list):
        for inner in node:
            yield from with_examples(inner)


@pytest.mark.timeout(900)  # one minute or two, by how busy the machine is
async def test_the_api_does_what_its_document_says(services: Cluster, tmp_path: Path) -> None:
    key = await admin_key(services)
    cases = [
        *await fuzz(services.api, key, tmp_path / "valid", "--mode=positive", "--max-examples=60", PHASES),
        *await fuzz(services.api, key, tmp_path / "both", "--mode=all", "--max-examples=25", PHASES),
    ]
    assert len(cases) >= 2_000
    refused = {case.error for case in cases if case.valid and case.status == 400}
    assert {error for error in refused if not error.endswith(UNSAYABLE)} == set()
    judge(cases, await document(services, "api"))


@pytest.mark.timeout(300)
async def test_the_links_of_the_document_lead_on(services: Cluster, tmp_path: Path) -> None:
    """In two parts: where there are samples and replays schemathesis starts at them, not at webhooks."""
    key = await admin_key(services)
    webhook = (await services.create_webhook("https://your-app.com/", "*"))["id"]
    options, starts = ("--mode=positive", "--max-examples=100", "--phases=stateful"), f"^({'|'.join(STARTS)})$"
    cases = [
        *await fuzz(services.api, key, tmp_path / "one", *options, f"--exclude-operation-id-regex={starts}"),
        *await fuzz(
            services.api,
            key,
            tmp_path / "two",
            *options,
            f"--include-operation-id-regex={starts}|_(delivery|event|replay)$",
            parameters=f'"path.webhook_id" = "{webhook}"',
        ),
    ]
    followed = {case.link for case in cases if case.done}
    missed = {link for link in links(await document(services, "api")) if link not in followed}
    assert {name for _, name in missed} <= STARTS


@pytest.mark.timeout(300)
async def test_ingest_does_what_its_document_says(services: Cluster, tmp_path: Path) -> None:
    key = await admin_key(services)
    cases = [
        *await fuzz(services.ingest, key, tmp_path / "valid", "--mode=positive", "--max-examples=400"),
        *await fuzz(services.ingest, key, tmp_path / "both", "--mode=all", "--max-examples=100"),
    ]
    judge(cases, await document(services, "ingest"))


def judge(cases: Sequence[Case], described: Json) -> None:
    """Each operation was tested for what it does, not only for what it refuses."""
    of: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases:
        of[case.operation].append(case)
    for operation in operations(described):
        statuses = Counter(case.status for case in of[operation])
        reached = sum(case.reached_the_service for case in of[operation])
        assert reached * 2 >= len(of[operation]), (operation, statuses)
        assert sum(case.done for case in of[operation]) >= 5, (operation, statuses)


def operations(described: Json) -> dict[str, Json]:
    paths: Json = described["paths"]
    return {f"{method.upper()} {path}": one for path, item in paths.items() for method, one in item.items()}


def links(described: Json) -> set[tuple[str, str]]:
    return {
        (operation, name)
        for operation, one in operations(described).items()
        for answer in one["responses"].values()
        for name in answer.get("links", {})
    }
