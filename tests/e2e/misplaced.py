"""Requests with a secret where it does not belong, which are refused; a refusal must not repeat it."""

import json

from tests import rawhttp
from tests.cluster import ADMIN_KEY, TENANT
from tests.e2e.hunt import EVENT, Run


async def refuse(run: Run) -> None:
    """In fields, parameters and headers, and in requests that are no HTTP at all."""
    for secret in (run.text("given secret"), run.text("header, as given")):
        await _refuse_fields(run, secret)
        for lines in (
            {"X-API-Key": secret},
            {"X-API-Key": ADMIN_KEY, "If-Match": secret},
            {"X-API-Key": ADMIN_KEY, "Idempotency-Key": secret + " "},
            {"X-API-Key": secret + "\x01"},
            {"Authorization": f"Bearer {secret}\x00"},
            {"X-API-Key": secret, "Content-Length": "nonsense"},
            {"X-API-Key": secret, "X-Long": secret * 1_000},
        ):
            for service in run.services.services:
                path = f"/api/v1/webhooks/{run.webhooks['echoing']}"
                raw = rawhttp.request("PATCH", path, {"Content-Type": "application/json", **lines}, b"{")
                answer = await rawhttp.exchange(service.url, raw)
                assert 400 <= answer.status < 500, answer
                run.keep("PATCH", path, answer.status, answer.body + repr(answer.headers).encode())


async def _refuse_fields(run: Run, secret: str) -> None:
    webhooks, good = run.services.api + "/api/v1/webhooks", {"tenant_id": TENANT, "url": "http://127.0.0.1:9"}
    raw = json.dumps(secret).encode()
    for wrong in (
        {"event_type": secret},
        {"event_types": [secret]},
        {"url": f"https://x.example:{secret}/"},
        {"url": f"https://user:{secret}@x.example/"},
        {"url": f"https://{secret}@[::1/"},
        {"url": secret},
        {"tenant_id": secret + "/"},
        {"secret": [secret]},
        {"secret": {"is": secret}},
        {"secret": secret * 20},
        {"headers": secret},
        {"headers": [secret]},
        {"headers": {"X-Own": secret + "\n"}},
        {"headers": {"X-Own": secret + "\u2603"}},
        {"headers": {"X-Own": [secret]}},
        {"headers": {"Host": secret}},
        {"headers": {"X-Own": secret, "x-own": secret}},
        {"description": secret * 100},
        {"filter": secret},
        {"filter": {"field": "a", "wrong": secret}},
        {"filter": {"field": "a", "gt": secret}},
        {"max_attempts": secret},
        {"rate_limit": secret},
        {"surprise": secret},
    ):
        assert "code" in await run.ask("POST", webhooks, {"event_type": "*", **good, **wrong})
        assert "code" in await run.ask("PATCH", run.path("echoing"), {**wrong, "secret": secret})
    for body in (b'{"secret": ' + raw, b'{"secret": %b, "secret": %b}' % (raw, raw), b'{"secret": %b} %b' % (raw, raw)):
        assert "code" in await run.ask("POST", webhooks, body)
        assert "code" in await run.ask("POST", run.path("echoing", "/rotate-secret"), body)
        assert "code" in await run.ask("POST", run.services.ingest + "/api/v1/events", body)
    for event in ({**EVENT, "event": secret}, {**EVENT, "timestamp": secret}, {**EVENT, "data": secret}, [secret]):
        await run.ask("POST", run.services.ingest + "/api/v1/events", event)
    assert "code" in await run.ask(
        "POST", run.path("echoing", "/rotate-secret"), {"secret": secret, "overlap_hours": -1}
    )
    assert "code" in await run.ask("POST", run.path("echoing", "/explain"), {"event": secret, "data": {}})
    for name in ("status", "event_type", "cursor", "limit", "since", "response_status", "surprise"):
        assert "code" in await run.ask("GET", run.path("echoing", f"/deliveries?{name}=") + secret.replace('"\\/<', ""))
