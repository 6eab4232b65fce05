"""The webhook routes in this process, on a real database."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from deploy.local.servers import Server
from services.api.app import application
from services.api.dashboard.app import dashboard
from services.api.routes.webhooks import PREFIXES as BY_NAME
from services.api.services import routes, services
from shared.broker.lookout import Lookout
from shared.contracts.delivery import Attempt, Dead, Outcome, Step, Succeeded, Wait, WaitingFor
from shared.contracts.event import parse
from shared.contracts.event_types import EVENT_TYPES
from shared.contracts.failure import ErrorKind
from shared.contracts.health import WebhookHealth
from shared.contracts.message import QueuedDelivery
from shared.egress import Egress
from shared.ids import delivery_id
from shared.limiter import Limiter
from shared.routes import Route
from shared.store.deliveries import Deliveries
from shared.store.events import Events
from shared.store.keys import Keys
from shared.store.mongo import Mongo
from shared.store.secrets import SecretBox
from shared.store.webhooks import Webhooks
from tests.cluster import ADMIN_KEY, SECRET_KEYS, SESSION, TENANT, until
from tests.integration.test_store import opened

PREFIXES = list(BY_NAME.values())
V1 = PREFIXES[0]
GUIDE = {
    "tenant_id": TENANT,
    "url": "https://your-app.com/api/webhooks/scorm",
    "secret": "your-webhook-secret",
    "event_type": "package.processing.completed",
}
KEYS = "/api/v1/api-keys"
MOST = 5
EGRESS = Egress("127.0.0.1/32:9000")
NO_BROKER = "amqp://guest:guest@127.0.0.1:1/"


@dataclass
class Site:
    client: TestClient[Any, Any]
    mongo: Mongo
    keys: Keys
    deliveries: Deliveries
    events: Events
    routes: list[Route]

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


@asynccontextmanager
async def opened_site(
    url: str, egress: Egress = EGRESS, most: int = MOST, amqp_url: str = NO_BROKER
) -> AsyncIterator[Site]:
    """The API on a database of its own."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DISPATCHER_SECRET_KEYS", SECRET_KEYS)
        async with opened(url) as mongo:
            keys, deliveries = Keys(mongo, admin_key=ADMIN_KEY), Deliveries(mongo, retention=timedelta(days=7))
            lookout = Lookout(url=amqp_url, name="test")
            does = services(mongo, keys, egress=egress, lookout=lookout, webhooks_per_tenant=most)
            served = routes(does)
            limiter = Limiter(per_minute=0)
            app = application(keys, limiter, served)
            app.add_subapp("/dashboard", dashboard(does, keys, limiter, SecretBox(SECRET_KEYS), clock=mongo.now))
            async with TestClient(TestServer(app)) as client:
                yield Site(client, mongo, keys, deliveries, Events(mongo, retention=timedelta(days=9)), served)
            await lookout.stop(0)


@pytest_asyncio.fixture(loop_scope="session")
async def site(mongodb: Server) -> AsyncIterator[Site]:
    async with opened_site(mongodb.url) as made:
        yield made


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


async def test_a_new_webhook_shows_whole_that_nothing_is_known_of_its_endpoint(site: Site) -> None:
    health = (await site.create())["health"]
    assert health["breaker"] == "closed"
    assert health["failures"] == 0
    assert health.keys() == WebhookHealth.model_fields.keys()


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
    _, key = await site.keys.create("tenant-b", frozenset({"read", "write"}))
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
    _, key = await site.keys.create("tenant-b", frozenset({"write"}))
    status, answer = await site.call("POST", V1, body, key)
    assert (status, answer["tenant_id"]) == (201, "tenant-b")
    status, answer = await site.call("POST", V1, body)
    assert (status, answer["details"]) == (400, {"field": "tenant_id"})


async def test_reading_and_writing_need_their_scopes(site: Site) -> None:
    made = await site.create()
    _, reader = await site.keys.create(TENANT, frozenset({"read"}))
    _, writer = await site.keys.create(TENANT, frozenset({"write"}))
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
    made = await site.create(description="d", max_attempts=3, coalesce_seconds=0.5, filter={"field": "a", "eq": 1})
    one = f"{V1}/{made['id']}"
    _, changed = await site.call("PATCH", one, {"url": "https://other.example/x", "event_types": ["*"]})
    assert (changed["url"], changed["event_types"], changed["event_type"]) == ("https://other.example/x", ["*"], "*")
    assert (changed["description"], changed["max_attempts"], changed["version"]) == ("d", 3, 2)
    assert changed["coalesce_seconds"] == 0.5
    names = ("description", "max_attempts", "coalesce_seconds", "filter")
    _, cleared = await site.call("PATCH", one, dict.fromkeys(names))
    assert [cleared[name] for name in names] == [None] * 4
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
        ({"coalesce_seconds": 0}, "coalesce_seconds"),
        ({"ordered": None}, "ordered"),
        ({"coalesce_seconds": 3_601}, "coalesce_seconds"),
        ({"coalesce_seconds": "1"}, "coalesce_seconds"),
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
        ({"ordered": None}, "ordered"),
        ({"secret": "x"}, "secret"),
    ):
        status, answer = await site.call("PATCH", f"{V1}/{made['id']}", body)
        assert (status, answer["details"]["field"]) == (400, field)


async def test_a_webhook_is_ordered_or_coalescing_and_not_both(site: Site) -> None:
    status, answer = await site.call("POST", V1, {**GUIDE, "ordered": True, "coalesce_seconds": 1})
    assert (status, "choose one of them" in answer["error"]) == (400, True)
    ordered, coalescing = await site.create(ordered=True), await site.create(coalesce_seconds=2)
    assert (ordered["ordered"], ordered["coalesce_seconds"]) == (True, None)
    assert (coalescing["ordered"], coalescing["coalesce_seconds"]) == (False, 2)
    for made, patch, field in (
        (ordered, {"coalesce_seconds": 1}, "coalesce_seconds"),
        (coalescing, {"ordered": True}, "ordered"),
    ):
        status, answer = await site.call("PATCH", f"{V1}/{made['id']}", patch)
        assert (status, answer["details"]["field"]) == (409, field)
        assert "choose one of them" in answer["error"]
    changed = {"ordered": False, "coalesce_seconds": 3}, {"ordered": True, "coalesce_seconds": None}
    for made, patch in zip((ordered, coalescing), changed, strict=True):
        status, answer = await site.call("PATCH", f"{V1}/{made['id']}", patch)
        assert (status, {name: answer[name] for name in patch}) == (200, patch)


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
    await site.deliveries.record([Step("delivery_1", TENANT, site.mongo.now(), 1, Dead("attempts_exhausted"), attempt)])
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


# --- concurrent changes


async def test_a_change_of_a_version_that_is_gone_is_a_conflict_and_changes_nothing(site: Site) -> None:
    made = await site.create()
    path = f"{V1}/{made['id']}"
    async with site.client.get(path, headers={"X-API-Key": ADMIN_KEY}) as response:
        etag = response.headers["ETag"]
    headers = {"X-API-Key": ADMIN_KEY, "If-Match": etag}
    async with site.client.patch(path, json={"description": "first"}, headers=headers) as response:
        assert response.status == 200
        assert response.headers["ETag"] != etag
    async with site.client.patch(path, json={"description": "second"}, headers=headers) as response:
        assert response.status == 409
        assert (await response.json())["code"] == "VERSION_CONFLICT"
    _, shown = await site.call("GET", path)
    assert shown["description"] == "first"


async def test_an_if_match_that_is_no_etag_is_refused(site: Site) -> None:
    made = await site.create()
    headers = {"X-API-Key": ADMIN_KEY, "If-Match": '"abc"'}
    async with site.client.patch(f"{V1}/{made['id']}", json={"description": "x"}, headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["details"]["field"] == "If-Match"


# --- secrets


async def secrets_of(site: Site, webhook_id: str) -> tuple[str, ...]:
    webhook = await Webhooks(site.mongo, SecretBox(SECRET_KEYS)).get(webhook_id)
    assert webhook
    return webhook.secrets_at(site.mongo.now())


async def test_both_secrets_sign_during_a_rotation_and_the_new_one_alone_when_it_is_complete(site: Site) -> None:
    made = await site.create()
    path = f"{V1}/{made['id']}/rotate-secret"
    status, rotated = await site.call("POST", path)
    assert status == 200
    assert rotated["rotation_ends_at"] > rotated["updated_at"]
    assert await secrets_of(site, made["id"]) == (GUIDE["secret"], rotated["secret"])
    status, complete = await site.call("POST", path + "/complete")
    assert (status, complete["rotation_ends_at"], "secret" in complete) == (200, None, False)
    assert await secrets_of(site, made["id"]) == (rotated["secret"],)
    status, again = await site.call("POST", path + "/complete")
    assert (status, again["version"]) == (200, complete["version"])


async def test_an_overlap_ends_by_itself_and_a_given_secret_is_not_shown(site: Site) -> None:
    made = await site.create()
    body = {"secret": "the-customer-s-new-secret", "overlap_hours": 0}
    status, rotated = await site.call("POST", f"{V1}/{made['id']}/rotate-secret", body)
    assert (status, "secret" in rotated) == (200, False)
    assert await secrets_of(site, made["id"]) == ("the-customer-s-new-secret",)


async def test_a_rotation_does_not_forget_a_secret_that_does_not_open(site: Site) -> None:
    webhook = await site.create()
    path = f"{V1}/{webhook['id']}/rotate-secret"
    await site.call("POST", path)
    await site.mongo.db.webhooks.update_one({"_id": webhook["id"]}, {"$set": {"secrets.1.key": "newer"}})
    before = await site.mongo.db.webhooks.find_one({"_id": webhook["id"]})
    for again in (path, path + "/complete"):
        status, answer = await site.call("POST", again)
        assert (status, answer["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert "DISPATCHER_SECRET_KEYS" in answer["error"]
    assert await site.mongo.db.webhooks.find_one({"_id": webhook["id"]}) == before


@pytest.mark.parametrize("body", [{"overlap_hours": -1}, {"overlap_hours": 721}, {"secret": "short"}, {"more": 1}])
async def test_a_rotation_is_validated(site: Site, body: dict[str, Any]) -> None:
    made = await site.create()
    status, answer = await site.call("POST", f"{V1}/{made['id']}/rotate-secret", body)
    assert (status, answer["code"]) == (400, "INVALID_REQUEST")
    assert answer["details"]["field"] == next(iter(body))


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Allure-Signature": "x"},
        {"Webhook-Id": "x"},
        {"host": "internal"},
        {"Content-Length": "1"},
        {"Transfer-Encoding": "chunked"},
        {"X-Ok": "one\r\nX-Injected: two"},
        {"X-Ok\r\n": "x"},
        {"X Ok": "x"},
        {"": "x"},
        {"X-Ok": "\u2603"},
        {"X-Ok": "x" * 1025},
        {"X-Ok": "1", "x-ok": "2"},
        {f"X-{n}": "x" for n in range(21)},
    ],
)
async def test_a_header_that_is_ours_or_would_break_a_request_is_refused(site: Site, headers: dict[str, str]) -> None:
    status, answer = await site.call("POST", V1, {**GUIDE, "headers": headers})
    assert (status, answer["code"]) == (400, "INVALID_REQUEST")
    assert answer["details"]["field"].startswith("headers")


async def test_headers_are_replaced_as_a_whole_kept_when_not_named_and_cleared_by_null(site: Site) -> None:
    made = await site.create(headers={"X-One": "1", "X-Two": "2"})
    path = f"{V1}/{made['id']}"
    _, changed = await site.call("PATCH", path, {"headers": {"X-Three": "3"}})
    assert changed["header_names"] == ["X-Three"]
    _, changed = await site.call("PATCH", path, {"description": "d"})
    assert changed["header_names"] == ["X-Three"]
    _, changed = await site.call("PATCH", path, {"headers": None})
    assert changed["header_names"] == []


# --- single deliveries


async def delivered(site: Site, webhook_id: str, event_id: str = "e1", tenant: str = TENANT) -> str:
    """A delivery of a kept event, pending."""
    raw = json.dumps({"event": "session.created", "tenant_id": tenant, "event_id": event_id, "data": SESSION}).encode()
    event = parse(raw, now=site.mongo.now())
    identity = delivery_id(tenant, event_id, webhook_id)
    queued = QueuedDelivery(
        id=identity,
        tenant_id=tenant,
        webhook_id=webhook_id,
        event_id=event_id,
        event="session.created",
        created_at=site.mongo.seconds(),
        body=msgspec.Raw(event.payload(identity)),
    )
    await site.events.mark([event])
    await site.deliveries.insert([queued], site.mongo.now())
    return identity


def path_of(identity: str, action: str = "") -> str:
    return f"/api/v1/deliveries/{identity}{action}"


async def test_a_delivery_is_shown_with_the_body_that_was_posted(site: Site) -> None:
    identity = await delivered(site, (await site.create())["id"])
    status, shown = await site.call("GET", path_of(identity))
    assert status == 200
    body = json.loads(shown["body"])
    assert (body["event"], body["delivery_id"], body["data"]) == ("session.created", identity, SESSION)
    await site.mongo.db.events.delete_many({})
    _, shown = await site.call("GET", path_of(identity))
    assert shown["body"] is None


async def test_what_ended_is_sent_again_in_a_new_round_with_a_budget_of_its_own(site: Site) -> None:
    identity = await delivered(site, (await site.create())["id"])
    now = site.mongo.now()
    attempt = Attempt("k-1", 1, 1, 1, now, 5, Outcome.SUCCEEDED, 200)
    await site.deliveries.record([Step(identity, TENANT, site.mongo.now(), 1, Succeeded(), attempt)])
    status, shown = await site.call("POST", path_of(identity, "/retry"))
    assert (status, shown["status"], shown["round"], shown["reason"]) == (202, "waiting", 2, None)
    document = (await site.deliveries.get([identity]))[identity]
    assert document["attempts_before_round"] == 1
    assert "expires_at" not in document
    claimed = await site.deliveries.claim_due([identity], "claim", site.mongo.now())
    assert [(found["turn"], found["round"]) for found in claimed] == [(2, 2)]


async def test_what_waits_is_due_now_in_the_same_round(site: Site) -> None:
    identity = await delivered(site, (await site.create())["id"])
    later = site.mongo.now() + timedelta(hours=1)
    await site.deliveries.record([Step(identity, TENANT, site.mongo.now(), 1, Wait(later, WaitingFor.RETRY))])
    status, shown = await site.call("POST", path_of(identity, "/retry"))
    assert (status, shown["round"]) == (202, 1)
    assert await site.deliveries.claim_due([identity], "claim", site.mongo.now())


async def test_nothing_is_sent_again_without_its_event_or_its_webhook(site: Site) -> None:
    webhook = await site.create()
    identity = await delivered(site, webhook["id"])
    await site.deliveries.record([Step(identity, TENANT, site.mongo.now(), 1, Dead("attempts_exhausted"))])
    await site.mongo.db.events.delete_many({})
    status, answer = await site.call("POST", path_of(identity, "/retry"))
    assert (status, "event" in answer["error"]) == (409, True)
    await site.call("DELETE", f"{V1}/{webhook['id']}")
    status, answer = await site.call("POST", path_of(identity, "/retry"))
    assert (status, "webhook" in answer["error"]) == (409, True)


async def test_a_cancelled_delivery_stays_so_whoever_held_it(site: Site) -> None:
    identity = await delivered(site, (await site.create())["id"])
    for _ in range(2):  # harmless to repeat
        status, shown = await site.call("POST", path_of(identity, "/cancel"))
        assert (status, shown["status"], shown["reason"]) == (200, "cancelled", "cancelled_by_customer")
    now = site.mongo.now()
    await site.deliveries.record([Step(identity, TENANT, now, 1, Wait(now, WaitingFor.RETRY))])
    _, shown = await site.call("GET", path_of(identity))
    assert shown["status"] == "cancelled"


async def test_what_ended_otherwise_cannot_be_cancelled(site: Site) -> None:
    identity = await delivered(site, (await site.create())["id"])
    await site.deliveries.record([Step(identity, TENANT, site.mongo.now(), 1, Dead("attempts_exhausted"))])
    status, answer = await site.call("POST", path_of(identity, "/cancel"))
    assert (status, answer["details"]["ended"]) == (409, "dead")


@pytest.mark.parametrize(("method", "action"), [("GET", ""), ("POST", "/retry"), ("POST", "/cancel")])
async def test_another_tenant_s_delivery_is_not_there(site: Site, method: str, action: str) -> None:
    identity = await delivered(site, (await site.create())["id"])
    _, stranger = await site.keys.create("tenant-b", frozenset({"admin"}))
    status, _ = await site.call(method, path_of(identity, action), key=stranger)
    assert status == 404


# --- why, and why not

ALL = {
    "all": [
        {"field": "package_id", "in": ["pkg_1", "pkg_2"]},
        {"not": {"field": "score.scaled", "lt": 0.5}},
        {"any": [{"field": "user_id", "eq": "u1"}, {"field": "group", "exists": True}]},
    ]
}


async def test_explain_says_of_each_condition_why_an_event_does_not_match(site: Site) -> None:
    made = await site.create(event_type="session.completed", filter=ALL)
    path = f"{V1}/{made['id']}/explain"
    data = {"package_id": "pkg_9", "score": {"scaled": 0.1}, "user_id": "u2"}
    status, answer = await site.call("POST", path, {"event": "session.created", "data": data})
    assert status == 200
    assert answer["matches"] is False
    assert answer["reasons"] == [
        "event_types: session.created is not among session.completed",
        'filter.all.0: data.package_id is "pkg_9", needed: in ["pkg_1", "pkg_2"]',
        "filter.all.1.not: what must not hold does hold",
        'filter.all.2.any.0: data.user_id is "u2", needed: eq "u1"',
        "filter.all.2.any.1: data.group is absent, needed: exists true",
    ]
    data = {"package_id": "pkg_1", "score": {"scaled": 0.9}, "user_id": "u1"}
    _, answer = await site.call("POST", path, {"event": "session.completed", "data": data})
    assert answer == {"matches": True, "reasons": [], "paused": False}


async def test_explain_names_an_inactive_webhook_and_refuses_an_unknown_type(site: Site) -> None:
    made = await site.create()
    path = f"{V1}/{made['id']}"
    await site.call("PATCH", path, {"is_active": False})
    _, answer = await site.call("POST", path + "/explain", {"event": GUIDE["event_type"], "data": {}})
    assert answer["reasons"] == ["the webhook is inactive: disabled_by_customer"]
    status, answer = await site.call("POST", path + "/explain", {"event": "no.such", "data": {}})
    assert (status, answer["details"]["field"]) == (400, "event")
    assert "session.created" in answer["error"]


async def test_an_event_shows_where_it_went_and_why_nowhere_else(site: Site) -> None:
    got = await site.create(event_type="session.created")
    other = await site.create(event_type="session.completed")
    identity = await delivered(site, got["id"])
    status, event = await site.call("GET", f"/api/v1/events/e1?tenant_id={TENANT}")
    assert (status, event["event"], event["data"]) == (200, "session.created", SESSION)
    rows = {row["webhook_id"]: row for row in event["webhooks"]}
    assert rows[got["id"]]["delivery"]["id"] == identity
    assert rows[got["id"]]["by_settings_of_now"]["matches"] is True
    assert rows[other["id"]]["delivery"] is None
    assert rows[other["id"]]["by_settings_of_now"]["reasons"]
    _, stranger = await site.keys.create("tenant-b", frozenset({"read"}))
    assert (await site.call("GET", "/api/v1/events/e1", key=stranger))[0] == 404


# --- samples


async def test_a_sample_needs_an_active_webhook_and_a_known_type(site: Site) -> None:
    made = await site.create()
    path = f"{V1}/{made['id']}/test"
    status, answer = await site.call("POST", path, {"event_type": "no.such"})
    assert (status, answer["details"]["field"]) == (400, "event_type")
    await site.call("PATCH", f"{V1}/{made['id']}", {"is_active": False})
    status, answer = await site.call("POST", path)
    assert (status, "inactive" in answer["error"]) == (409, True)


# --- keys


async def test_a_key_is_shown_once_works_and_is_revoked(site: Site) -> None:
    status, made = await site.call("POST", KEYS, {"tenant_id": TENANT, "scopes": ["read"], "name": "the CRM"})
    assert status == 201
    assert made["key"].startswith("scorm_")
    assert (await site.call("GET", V1, key=made["key"]))[0] == 200
    _, listed = await site.call("GET", f"{KEYS}?tenant_id={TENANT}")
    [shown] = [one for one in listed["api_keys"] if one["id"] == made["id"]]
    assert "key" not in shown
    assert (shown["name"], shown["scopes"]) == ("the CRM", ["read"])
    assert shown["last_used_at"]
    assert (await site.call("DELETE", f"{KEYS}/{made['id']}"))[0] == 204
    assert (await site.call("GET", V1, key=made["key"]))[0] == 401
    assert (await site.call("DELETE", f"{KEYS}/{made['id']}"))[0] == 404


async def test_a_tenant_s_admin_makes_sees_and_revokes_only_its_own_keys(site: Site) -> None:
    _, admin = await site.keys.create(TENANT, frozenset({"admin"}))
    foreign, _ = await site.keys.create("tenant-b", frozenset({"read"}))
    _, made = await site.call("POST", KEYS, {"scopes": ["write"]}, key=admin)
    assert made["tenant_id"] == TENANT
    status, answer = await site.call("POST", KEYS, {"tenant_id": "tenant-b", "scopes": ["read"]}, key=admin)
    assert (status, answer["code"]) == (403, "TENANT_MISMATCH")
    _, listed = await site.call("GET", KEYS, key=admin)
    assert {one["tenant_id"] for one in listed["api_keys"]} == {TENANT}
    assert (await site.call("DELETE", f"{KEYS}/{foreign['id']}", key=admin))[0] == 404


async def test_keys_are_for_admins(site: Site) -> None:
    _, writer = await site.keys.create(TENANT, frozenset({"read", "write"}))
    for method, path, body in (
        ("POST", KEYS, {"scopes": ["read"]}),
        ("GET", KEYS, None),
        ("DELETE", KEYS + "/x", None),
    ):
        status, answer = await site.call(method, path, body, key=writer)
        assert (status, answer["code"]) == (403, "INSUFFICIENT_SCOPES")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["all"]}, "scopes.0"),
        ({"scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"scopes": ["read"], "expires_at": "2090-01-01T00:00:00"}, "expires_at"),
    ],
)
async def test_a_key_is_validated(site: Site, body: dict[str, Any], field: str) -> None:
    status, answer = await site.call("POST", KEYS, {"tenant_id": TENANT, **body})
    assert (status, answer["details"].get("field")) == (400, field)


async def test_a_key_expires(site: Site) -> None:
    soon = (site.mongo.now() + timedelta(milliseconds=300)).isoformat()
    _, made = await site.call("POST", KEYS, {"tenant_id": TENANT, "scopes": ["read"], "expires_at": soon})

    async def expired() -> bool:
        status, answer = await site.call("GET", V1, key=made["key"])
        return status == 401 and answer["code"] == "EXPIRED_API_KEY"

    await until(expired, 5)


# --- the catalogue


async def test_the_catalogue_has_every_type_with_an_example_that_its_schema_describes(site: Site) -> None:
    status, answer = await site.call("GET", "/api/v1/event-types")
    assert status == 200
    assert [kind["name"] for kind in answer["event_types"]] == list(EVENT_TYPES)
    for kind in answer["event_types"]:
        assert kind["description"]
        assert set(kind["schema"]["required"]) <= set(kind["example"])
