"""Histories over HTTP: every filter, cancelling many, events, the audit log, statistics."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from shared.contracts.delivery import Attempt, Dead, Decision, Outcome, Step, Succeeded, Wait, WaitingFor
from shared.contracts.event import parse
from shared.contracts.failure import ErrorKind
from shared.contracts.message import QueuedDelivery
from shared.store.stats import Stats
from shared.store.uncounted import Uncounted
from shared.times import iso
from tests.cluster import SESSION, TENANT
from tests.integration.test_api import V1, Site, site  # noqa: F401 - a fixture

DELIVERIES = "/api/v1/deliveries"


async def attempted(
    site: Site,  # noqa: F811
    webhook_id: str,
    name: str,
    decision: Decision | None,
    *,
    event: str = "session.created",
    status_code: int | None = 200,
    error: ErrorKind | None = None,
    hours_ago: float = 0,
) -> str:
    """A delivery that was made then, and attempted once if there is a decision."""
    made = site.mongo.now() - timedelta(hours=hours_ago)
    identity = f"delivery_{name}"
    queued = QueuedDelivery(
        id=identity,
        tenant_id=TENANT,
        webhook_id=webhook_id,
        event_id=name,
        event=event,
        created_at=made.timestamp(),
        body=msgspec.Raw(b"{}"),
    )
    await site.deliveries.insert([queued], site.mongo.now())
    if decision:
        outcome = Outcome.SUCCEEDED if isinstance(decision, Succeeded) else Outcome.RETRY
        attempt = Attempt(name, 1, 1, 1, site.mongo.now(), 5, outcome, status_code, error)
        document = (await site.deliveries.get([identity]))[identity]
        await site.deliveries.record([Step(identity, TENANT, document["created_at"], 1, decision, attempt)])
    return identity


async def some_history(site: Site, webhook_id: str) -> dict[str, str]:  # noqa: F811
    later = Wait(site.mongo.now() + timedelta(hours=1), WaitingFor.RETRY)
    dead = Dead("attempts_exhausted")
    return {
        "ok": await attempted(site, webhook_id, "ok", Succeeded(), hours_ago=5),
        "ok204": await attempted(site, webhook_id, "ok204", Succeeded(), status_code=204, event="session.completed"),
        "dead500": await attempted(site, webhook_id, "dead500", dead, status_code=500),
        "dead503": await attempted(site, webhook_id, "dead503", dead, status_code=503, hours_ago=2),
        "late": await attempted(site, webhook_id, "late", later, status_code=None, error=ErrorKind.TIMEOUT),
        "new": await attempted(site, webhook_id, "new", None),
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"ok", "ok204", "dead500", "dead503", "late", "new"}),
        ("status=dead", {"dead500", "dead503"}),
        ("status=pending", {"new"}),
        ("event_type=session.completed", {"ok204"}),
        ("response_status=5xx", {"dead500", "dead503"}),
        ("response_status=503", {"dead503"}),
        ("response_status=timeout", {"late"}),
        ("since={3h}", {"ok204", "dead500", "dead503", "late", "new"}),
        ("until={3h}", {"ok"}),
        ("since={3h}&until={1h}&status=dead&response_status=5xx&event_type=session.created", {"dead503"}),
        ("status=succeeded&response_status=500", set()),
    ],
)
async def test_a_history_is_searched_by_what_is_asked(
    site: Site,  # noqa: F811
    query: str,
    expected: set[str],
) -> None:
    webhook = await site.create(event_type="*")
    names = await some_history(site, webhook["id"])
    ago = {f"{hours}h": iso(site.mongo.now() - timedelta(hours=hours)) for hours in (1, 3)}
    for path in (f"{V1}/{webhook['id']}/deliveries?", f"{DELIVERIES}?tenant_id={TENANT}&"):
        status, answer = await site.call("GET", path + query.format(**ago))
        assert status == 200, answer
        assert {one["id"] for one in answer["deliveries"]} == {names[name] for name in expected}


async def test_a_tenant_s_history_can_be_narrowed_to_a_webhook_also_to_a_deleted_one(
    site: Site,  # noqa: F811
) -> None:
    first, second = await site.create(), await site.create()
    made = await attempted(site, first["id"], "of-first", Succeeded())
    await attempted(site, second["id"], "of-second", Succeeded())
    await site.call("DELETE", f"{V1}/{first['id']}")
    _, answer = await site.call("GET", f"{DELIVERIES}?tenant_id={TENANT}&webhook_id={first['id']}")
    assert [one["id"] for one in answer["deliveries"]] == [made]
    assert (await site.call("GET", f"{V1}/{first['id']}/deliveries"))[0] == 404


@pytest.mark.parametrize("query", ["status=lost", "response_status=6xx", "event_type=a.b", "since=yesterday", "stat=1"])
async def test_a_filter_that_makes_no_sense_is_refused_by_name(site: Site, query: str) -> None:  # noqa: F811
    webhook = await site.create()
    status, answer = await site.call("GET", f"{V1}/{webhook['id']}/deliveries?{query}")
    assert (status, answer["code"], answer["details"]["field"]) == (400, "INVALID_REQUEST", query.split("=")[0])


async def test_many_are_cancelled_at_once_as_far_as_they_live(site: Site) -> None:  # noqa: F811
    webhook = await site.create(event_type="*")
    names = await some_history(site, webhook["id"])
    path = f"{V1}/{webhook['id']}/deliveries/cancel"
    _, counted = await site.call("POST", path, {"dry_run": True})
    assert counted == {"cancelled": 2, "more": False, "dry_run": True}
    _, waiting = await site.call("POST", path, {"response_status": "timeout"})
    assert waiting == {"cancelled": 1, "more": False, "dry_run": False}
    assert (await site.call("POST", path, {}))[1]["cancelled"] == 1
    documents = await site.deliveries.get(names.values())
    now = {name: documents[identity]["status"] for name, identity in names.items()}
    assert now == {
        "ok": "succeeded",
        "ok204": "succeeded",
        "dead500": "dead",
        "dead503": "dead",
        "late": "cancelled",
        "new": "cancelled",
    }
    assert documents[names["new"]]["reason"] == "cancelled_by_customer"


async def test_events_are_listed_newest_first_and_searched(site: Site) -> None:  # noqa: F811
    for number, kind in enumerate(("session.created", "session.created", "session.progress")):
        raw = msgspec.json.encode({"event": kind, "tenant_id": TENANT, "event_id": f"e{number}", "data": SESSION})
        await site.events.mark([parse(raw, now=site.mongo.now())])
    _, answer = await site.call("GET", f"/api/v1/events?tenant_id={TENANT}")
    assert [one["id"] for one in answer["events"]] == ["e2", "e1", "e0"]
    assert set(answer["events"][0]) == {"id", "tenant_id", "event", "timestamp", "created_at"}
    _, narrowed = await site.call("GET", f"/api/v1/events?tenant_id={TENANT}&event_type=session.created&limit=1")
    assert [one["id"] for one in narrowed["events"]] == ["e1"]
    following = f"/api/v1/events?tenant_id={TENANT}&event_type=session.created&cursor={narrowed['next_cursor']}"
    _, rest = await site.call("GET", following.replace("~", "%7E"))
    assert ([one["id"] for one in rest["events"]], rest["next_cursor"]) == (["e0"], None)


async def test_the_audit_log_tells_who_changed_what_and_no_value(site: Site) -> None:  # noqa: F811
    made, secret = await site.keys.create(TENANT, frozenset({"admin"}))
    webhook = await site.create(key=secret, secret="a-secret-of-the-customer")
    one = f"{V1}/{webhook['id']}"
    await site.call("PATCH", one, {"description": "what for", "headers": {"X-Team": "hidden-value"}}, secret)
    await site.call("POST", one + "/rotate-secret", {}, secret)
    await site.call("POST", one + "/rotate-secret/complete", None, secret)
    await site.call("DELETE", one, None, secret)
    _, key = await site.call("POST", "/api/v1/api-keys", {"scopes": ["read"]}, secret)
    await site.call("DELETE", f"/api/v1/api-keys/{key['id']}", None, secret)
    status, answer = await site.call("GET", "/api/v1/audit", None, secret)
    assert status == 200
    entries = answer["entries"][::-1]
    assert [(entry["action"], entry["by"], entry["target"]) for entry in entries] == [
        ("api_key.created", "system", made["id"]),
        ("webhook.created", made["id"], webhook["id"]),
        ("webhook.changed", made["id"], webhook["id"]),
        ("webhook.secret_rotated", made["id"], webhook["id"]),
        ("webhook.rotation_completed", made["id"], webhook["id"]),
        ("webhook.deleted", made["id"], webhook["id"]),
        ("api_key.created", made["id"], key["id"]),
        ("api_key.revoked", made["id"], key["id"]),
    ]
    assert entries[2]["fields"] == ["description", "headers"]
    stored = str(await site.mongo.db.audit.find({}).to_list(None))
    assert "hidden-value" not in stored
    assert "what for" not in stored


async def test_a_change_that_is_refused_leaves_no_entry(site: Site) -> None:  # noqa: F811
    webhook = await site.create()
    before = await site.mongo.db.audit.count_documents({})
    stale = {"X-API-Key": "scorm_operator-of-the-tests", "If-Match": '"7"'}
    async with site.client.patch(f"{V1}/{webhook['id']}", json={"paused": True}, headers=stale) as response:
        assert response.status == 409
    assert await site.mongo.db.audit.count_documents({}) == before


async def test_the_audit_log_is_for_admins_of_the_tenant(site: Site) -> None:  # noqa: F811
    await site.create()
    _, writer = await site.keys.create(TENANT, frozenset({"read", "write"}))
    _, stranger = await site.keys.create("tenant-b", frozenset({"admin"}))
    assert (await site.call("GET", "/api/v1/audit", None, writer))[1]["code"] == "INSUFFICIENT_SCOPES"
    _, answer = await site.call("GET", "/api/v1/audit", None, stranger)
    assert {entry["tenant_id"] for entry in answer["entries"]} == {"tenant-b"}
    assert (await site.call("GET", f"/api/v1/audit?tenant_id={TENANT}", None, stranger))[0] == 403


async def test_statistics_are_of_a_webhook_or_of_all_of_a_tenant(site: Site) -> None:  # noqa: F811
    first, second = await site.create(event_type="*"), await site.create()
    await some_history(site, first["id"])
    await attempted(site, second["id"], "of-second", Succeeded())
    await count_all(site)
    window = f"since={iso(site.mongo.now() - timedelta(hours=6))}"
    _, of_first = await site.call("GET", f"/api/v1/stats?webhook_id={first['id']}&{window}")
    _, of_all = await site.call("GET", f"/api/v1/stats?tenant_id={TENANT}&{window}")
    assert total(of_first) == {"created": 6, "succeeded": 2, "dead": 2, "waiting": 1, "pending": 1, "attempts": 5}
    assert total(of_all)["succeeded"] == 3
    assert all(hour["webhook_id"] == first["id"] for hour in of_first["stats"])
    _, last_hour = await site.call("GET", f"/api/v1/stats?webhook_id={first['id']}&since={iso(site.mongo.now())}")
    assert len(last_hour["stats"]) == 1


async def count_all(site: Site) -> None:  # noqa: F811
    """As the scheduler does."""
    stats, uncounted = Stats(site.mongo, kept=timedelta(days=9)), Uncounted(site.mongo, retention=timedelta(days=7))
    for cell, _ in await uncounted.due(100):
        await stats.keep(cell, await stats.count(cell), site.mongo.now())


def total(answer: dict[str, Any]) -> dict[str, int]:
    names = ("created", "succeeded", "dead", "waiting", "pending", "attempts")
    return {name: sum(hour[name] for hour in answer["stats"]) for name in names}


async def test_enabling_a_webhook_again_says_what_it_missed_and_how_to_send_it(site: Site) -> None:  # noqa: F811
    webhook = await site.create()
    path = f"/api/v1/webhooks/{webhook['id']}"
    _, enabled = await site.call("PATCH", path, {"is_active": True})
    assert "missed" not in enabled, "it was never inactive"
    await site.call("PATCH", path, {"is_active": False})
    _, enabled = await site.call("PATCH", path, {"is_active": True})
    assert "missed" not in enabled, "nothing ended meanwhile"

    await attempted(site, webhook["id"], "before", Dead("webhook_inactive"), hours_ago=2)
    await attempted(site, webhook["id"], "long before", Dead("attempts_exhausted"), hours_ago=100)
    await attempted(site, webhook["id"], "fine", Succeeded())
    _, disabled = await site.call("PATCH", path, {"is_active": False})
    assert disabled["disabled_at"]
    await attempted(site, webhook["id"], "after", Dead("webhook_inactive"))
    _, enabled = await site.call("PATCH", path, {"is_active": True})
    assert (enabled["disabled_at"], enabled["missed"]["deliveries"]) == (None, 2)
    window = {name: enabled["missed"][name] for name in ("since", "until")}
    _, dry = await site.call("POST", path + "/replay", {**window, "dry_run": True})
    assert dry["total"] == 2
    _, shown = await site.call("GET", path)
    assert "missed" not in shown
