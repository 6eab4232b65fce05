"""The webhook routes in this process, on a real database."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from deploy.local.servers import Server
from services.api.app import PREFIXES, application
from services.api.service import WebhookService
from shared.contracts.delivery import Attempt, Dead, ErrorKind, Outcome, Step
from shared.contracts.message import QueuedDelivery
from shared.egress import Egress
from shared.store.deliveries import Deliveries
from shared.store.keys import Keys
from shared.store.mongo import Mongo
from shared.store.secrets import SecretBox
from shared.store.webhooks import Webhooks
from tests.cluster import ADMIN_KEY, SECRET_KEYS, TENANT
from tests.integration.test_store import opened

V1 = PREFIXES[0]
GUIDE = {
    "tenant_id": TENANT,
    "url": "https://your-app.com/api/webhooks/scorm",
    "secret": "your-webhook-secret",
    "event_type": "package.processing.completed",
}
MOST = 5


@dataclass
class Site:
    client: TestClient[Any, Any]
    mongo: Mongo
    keys: Keys
    deliveries: Deliveries

    async def call(self, method: str, path: str, body: object = None, key: str = ADMIN_KEY) -> tuple[int, Any]:
        raw = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"X-API-Key": key, **({"Content-Type": "application/json"} if raw is not None else {})}
        async with self.client.request(method, path, data=raw, headers=headers) as response:
            text = await response.read()
            return response.status, json.loads(text) if text else None

    async def create(self, key: str = ADMIN_KEY, **fields: Any) -> dict[str, Any]:
        status, answer = await self.call("POST", V1, {**GUIDE, **fields}, key)
        assert status == 201, answer
        made: dict[str, Any] = answer
        return made


@pytest_asyncio.fixture(loop_scope="session")
async def site(mongodb: Server) -> AsyncIterator[Site]:
    async with opened(mongodb.url) as mongo:
        keys, deliveries = Keys(mongo, admin_key=ADMIN_KEY), Deliveries(mongo, retention=timedelta(days=7))
        service = WebhookService(
            webhooks=Webhooks(mongo, SecretBox(SECRET_KEYS)),
            deliveries=deliveries,
            egress=Egress("127.0.0.1/32:9000"),
            most_per_tenant=MOST,
            clock=mongo.now,
        )
        async with TestClient(TestServer(application(service, keys))) as client:
            yield Site(client, mongo, keys, deliveries)


async def test_the_guide_s_request_has_the_guide_s_answer_in_its_order(site: Site) -> None:
    status, answer = await site.call("POST", V1, GUIDE)
    assert status == 201
    assert list(answer)[:6] == ["id", "tenant_id", "url", "event_type", "is_active", "created_at"]
    assert answer["id"].startswith("webhook_")
    assert {name: answer[name] for name in ("tenant_id", "url", "event_type", "is_active")} == {
        "tenant_id": TENANT,
        "url": GUIDE["url"],
        "event_type": GUIDE["event_type"],
        "is_active": True,
    }
    assert len(answer["created_at"]) == len("2025-01-15T10:30:00.000Z")
    assert answer["created_at"].endswith("Z")


async def test_a_secret_of_the_customer_is_never_shown_and_one_of_ours_once(site: Site) -> None:
    given = await site.create()
    assert "secret" not in given
    status, made = await site.call("POST", V1, {name: GUIDE[name] for name in GUIDE if name != "secret"})
    assert status == 201
    assert made["secret"].startswith("whsec_")
    for webhook_id in (given["id"], made["id"]):
        _, shown = await site.call("GET", f"{V1}/{webhook_id}")
        assert "secret" not in shown
    assert "your-webhook-secret" not in str(await site.mongo.db.webhooks.find({}).to_list(None))


async def test_several_types_have_a_null_event_type(site: Site) -> None:
    body = {name: GUIDE[name] for name in GUIDE if name != "event_type"}
    _, answer = await site.call("POST", V1, {**body, "event_types": ["session.*", "package.processing.failed"]})
    assert answer["event_type"] is None
    assert answer["event_types"] == ["session.*", "package.processing.failed"]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_every_route_answers_under_both_prefixes(site: Site, prefix: str) -> None:
    status, made = await site.call("POST", prefix, GUIDE)
    assert status == 201
    one = f"{prefix}/{made['id']}"
    assert (await site.call("GET", one))[0] == 200
    assert (await site.call("GET", prefix))[1]["webhooks"][0]["id"] == made["id"]
    assert (await site.call("GET", one + "/deliveries"))[1] == {"deliveries": [], "next_cursor": None}
    assert (await site.call("PATCH", one, {"description": "d"}))[1]["description"] == "d"
    assert await site.call("DELETE", one) == (204, None)
    assert (await site.call("GET", one))[0] == 404


async def test_another_tenant_s_webhook_is_not_there(site: Site) -> None:
    made = await site.create()
    key = await site.keys.create("tenant-b", frozenset({"read", "write"}))
    one = f"{V1}/{made['id']}"
    for method, path, body in (
        ("GET", one, None),
        ("GET", one + "/deliveries", None),
        ("PATCH", one, {"paused": True}),
        ("DELETE", one, None),
    ):
        status, answer = await site.call(method, path, body, key)
        assert (status, answer["code"]) == (404, "WEBHOOK_NOT_FOUND"), (method, path)
    assert (await site.call("GET", V1, key=key))[1]["webhooks"] == []
    assert (await site.call("GET", f"{V1}?tenant_id={TENANT}", key=key))[1]["code"] == "TENANT_MISMATCH"
    assert (await site.call("POST", V1, GUIDE, key))[1]["code"] == "TENANT_MISMATCH"
    assert (await site.call("GET", one))[1]["paused"] is False


async def test_a_tenant_s_key_need_not_name_its_tenant_and_the_operator_s_must(site: Site) -> None:
    body = {name: GUIDE[name] for name in GUIDE if name != "tenant_id"}
    key = await site.keys.create("tenant-b", frozenset({"write"}))
    status, answer = await site.call("POST", V1, body, key)
    assert (status, answer["tenant_id"]) == (201, "tenant-b")
    status, answer = await site.call("POST", V1, body)
    assert (status, answer["details"]) == (400, {"field": "tenant_id"})


async def test_reading_and_writing_need_their_scopes(site: Site) -> None:
    made = await site.create()
    reader = await site.keys.create(TENANT, frozenset({"read"}))
    writer = await site.keys.create(TENANT, frozenset({"write"}))
    one = f"{V1}/{made['id']}"
    assert (await site.call("GET", one, key=reader))[0] == 200
    for method, path, body, key in (
        ("POST", V1, GUIDE, reader),
        ("PATCH", one, {"paused": True}, reader),
        ("DELETE", one, None, reader),
        ("GET", one, None, writer),
    ):
        status, answer = await site.call(method, path, body, key)
        assert (status, answer["code"]) == (403, "INSUFFICIENT_SCOPES")


async def test_a_patch_changes_what_it_names_and_clears_what_is_null(site: Site) -> None:
    made = await site.create(description="d", max_attempts=3, filter={"field": "a", "eq": 1})
    one = f"{V1}/{made['id']}"
    _, changed = await site.call("PATCH", one, {"url": "https://other.example/x", "event_types": ["*"]})
    assert (changed["url"], changed["event_types"], changed["event_type"]) == ("https://other.example/x", ["*"], "*")
    assert (changed["description"], changed["max_attempts"], changed["version"]) == ("d", 3, 2)
    _, cleared = await site.call("PATCH", one, {"description": None, "max_attempts": None, "filter": None})
    assert (cleared["description"], cleared["max_attempts"], cleared["filter"]) == (None, None, None)
    _, disabled = await site.call("PATCH", one, {"is_active": False})
    assert (disabled["is_active"], disabled["disabled_reason"]) == (False, "disabled_by_customer")
    _, enabled = await site.call("PATCH", one, {"is_active": True})
    assert (enabled["is_active"], enabled["disabled_reason"]) == (True, None)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "https://10.0.0.1/x"}, "url"),
        ({"url": "https://[::1]/x"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://localhost/x"}, "url"),
        ({"url": "https://127.0.0.1:9001/x"}, "url"),
        ({"url": "http://your-app.com/x"}, "url"),
        ({"url": "ftp://your-app.com/x"}, "url"),
        ({"url": "https://user:password@your-app.com/x"}, "url"),
        ({"event_type": "session.paused"}, "event_type"),
        ({"secret": "short"}, "secret"),
        ({"max_attempts": 31}, "max_attempts"),
        ({"surprise": 1}, "surprise"),
        ({"tenant_id": "a/b"}, "tenant_id"),
    ],
)
async def test_a_refusal_names_the_field_in_the_platform_s_format(
    site: Site, fields: dict[str, Any], field: str
) -> None:
    status, answer = await site.call("POST", V1, {**GUIDE, **fields})
    assert status == 400, answer
    assert list(answer) == ["error", "code", "details"]
    assert answer["code"] == "INVALID_REQUEST"
    assert answer["details"]["field"] == field, answer
    assert answer["error"].startswith(f"{field}: ")


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
async def test_an_address_in_an_odd_spelling_is_refused_when_saved(site: Site, host: str) -> None:
    status, answer = await site.call("POST", V1, {**GUIDE, "url": f"https://{host}/x"})
    assert status == 400, answer
    assert answer["details"]["field"] == "url"


async def test_an_exception_of_the_deployment_may_be_saved(site: Site) -> None:
    assert (await site.create(url="https://127.0.0.1:9000/x"))["url"] == "https://127.0.0.1:9000/x"


async def test_a_patch_is_checked_like_a_creation(site: Site) -> None:
    made = await site.create()
    for body, field in (
        ({"url": "https://10.0.0.1/x"}, "url"),
        ({"paused": "maybe"}, "paused"),
        ({"secret": "x"}, "secret"),
    ):
        status, answer = await site.call("PATCH", f"{V1}/{made['id']}", body)
        assert (status, answer["details"]["field"]) == (400, field)


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'"text"', b"{", b"\xff", b"[" * 5000])
async def test_a_body_that_is_no_object_is_400_and_never_500(site: Site, body: bytes) -> None:
    status, answer = await site.call("POST", V1, body)
    assert (status, answer["code"]) == (400, "INVALID_REQUEST")


async def test_too_large_a_body_an_unknown_path_and_a_wrong_method_have_the_same_format(site: Site) -> None:
    for method, path, body, expected in (
        ("POST", V1, b" " * (64 * 1024 + 1), 413),
        ("GET", "/api/v1/nothing", None, 404),
        ("PUT", V1, b"{}", 405),
    ):
        status, answer = await site.call(method, path, body)
        assert status == expected
        assert list(answer) == ["error", "code", "details"]


async def test_a_tenant_may_have_so_many_webhooks_and_no_more(site: Site) -> None:
    for _ in range(MOST):
        await site.create()
    status, answer = await site.call("POST", V1, GUIDE)
    assert (status, answer["code"]) == (409, "INVALID_REQUEST")
    assert str(MOST) in answer["error"]
    await site.create(tenant_id="tenant-b")


async def pages(site: Site, path: str, name: str, limit: int) -> list[list[str]]:
    """The ids of every page, following the cursors."""
    found, cursor = [], ""
    while True:
        status, answer = await site.call("GET", f"{path}?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert status == 200, answer
        assert list(answer) == [name, "next_cursor"]
        found.append([entry["id"] for entry in answer[name]])
        cursor = answer["next_cursor"]
        if not cursor:
            return found


async def test_cursors_lead_through_all_webhooks_each_once(site: Site) -> None:
    made = [(await site.create())["id"] for _ in range(MOST)]
    found = await pages(site, V1, "webhooks", 2)
    assert [len(page) for page in found] == [2, 2, 1]
    assert sorted(name for page in found for name in page) == sorted(made)


async def test_cursors_lead_through_all_deliveries_also_those_of_one_millisecond(site: Site) -> None:
    webhook = await site.create()
    moment = site.mongo.seconds()
    queued = [
        QueuedDelivery(
            id=f"delivery_{n}",
            tenant_id=TENANT,
            webhook_id=webhook["id"],
            event_id=f"e{n}",
            event="session.created",
            created_at=moment,
            body=msgspec.Raw(b"{}"),
        )
        for n in range(7)
    ]
    await site.deliveries.insert(queued, site.mongo.now())
    found = await pages(site, f"{V1}/{webhook['id']}/deliveries", "deliveries", 3)
    assert [name for page in found for name in page] == [f"delivery_{n}" for n in reversed(range(7))]


async def test_a_delivery_shows_every_attempt_and_can_be_found_by_status(site: Site) -> None:
    webhook = await site.create()
    queued = QueuedDelivery(
        id="delivery_1",
        tenant_id=TENANT,
        webhook_id=webhook["id"],
        event_id="e",
        event="session.created",
        created_at=site.mongo.seconds(),
        body=msgspec.Raw(b"{}"),
    )
    await site.deliveries.insert([queued], site.mongo.now())
    attempt = Attempt(
        key="k",
        n=1,
        turn=1,
        round=1,
        at=site.mongo.now(),
        duration_ms=12,
        outcome=Outcome.RETRY,
        status_code=500,
        error=ErrorKind.HTTP_STATUS,
        detail="the endpoint answered 500",
        answer=b"oh \xff no",
    )
    await site.deliveries.record([Step("delivery_1", 1, Dead("attempts_exhausted"), attempt)])
    path = f"{V1}/{webhook['id']}/deliveries"
    _, answer = await site.call("GET", f"{path}?status=dead")
    (shown,) = answer["deliveries"]
    assert (shown["status"], shown["reason"], shown["attempt_count"]) == ("dead", "attempts_exhausted", 1)
    assert shown["attempts"][0]["error"] == "http_status"
    assert shown["attempts"][0]["answer"] == "oh \ufffd no"
    assert (await site.call("GET", f"{path}?status=pending"))[1]["deliveries"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=%C2%B2", "limit"),
        ("status=lost", "status"),
        ("cursor=!!!", "cursor"),
        ("cursor=bm90IG91cnM", "cursor"),
        ("cursor=_w", "cursor"),
        ("cursor=%C3%A9", "cursor"),
    ],
)
async def test_a_parameter_that_makes_no_sense_is_400_and_named(site: Site, query: str, field: str) -> None:
    webhook = await site.create()
    status, answer = await site.call("GET", f"{V1}/{webhook['id']}/deliveries?{query}")
    assert (status, answer["details"]) == (400, {"field": field})
