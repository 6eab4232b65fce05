"""Every page of the dashboard, in one list: tests drive them in every look, `make bench-pages` measures them.

A new page needs a line here; a test compares the list with what the dashboard serves.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Who = Literal["anybody", "tenant", "operator"]


@dataclass(frozen=True)
class View:
    """`path`: as the application has it; `query`: what is asked there. `of`: whose ids stand in both, by a name in
    `troubles.py`. `by`: who opens it. `sees`: words that have to be read there without unfolding anything.
    """

    path: str
    sees: tuple[str, ...]
    of: str = ""
    query: str = ""
    by: Who = "tenant"

    def address(self, ids: Mapping[str, str]) -> str:
        return (self.path + self.query).format(**ids)


_WEBHOOK, _DELIVERY, _EVENT = "/webhooks/{webhook_id}", "/deliveries/{delivery_id}", "/events/{event_id}"

VIEWS: Sequence[View] = (
    View("/sign-in", ("API key", "Signing in ends when the key is revoked"), by="anybody"),
    View("", ("Busiest webhooks",)),
    View("/", ("Busiest webhooks",)),
    View("/overview", ("Deliveries made", "Success rate", "Waiting now", "Webhooks in trouble", "failing")),
    View(
        "/overview",
        ("All tenants together", "Waiting deliveries by due time", "Overdue", "deliveries.bulk"),
        by="operator",
    ),
    View("/webhooks", ("healthy", "failing", "troubled", "inactive", "paused", "no answer came within 3 s")),
    View("/webhooks", ("Of all tenants",), by="operator"),
    View("/webhooks/new", ("Webhook URL", "session.completed")),
    View(_WEBHOOK, ("The last attempt succeeded", "succeeded", "answered 200 in"), of="healthy"),
    View(_WEBHOOK, ("troubled", "connected, but no answer came within 3 s"), of="slow"),
    View(_WEBHOOK, ("failing", "the endpoint answered 500", "one at a time tries", "Next try"), of="failing"),
    View(_WEBHOOK, ("inactive", "answered 410 Gone, which asks us to stop"), of="gone"),
    View(_WEBHOOK, ("troubled", "the certificate expired on"), of="tls"),
    View(_WEBHOOK, ("waits in line: the webhook's rate limit",), of="limited"),
    View(_WEBHOOK, ("paused", "wait until you resume it", "Resume"), of="paused"),
    View(_WEBHOOK, ("dead", "the endpoint answered 404"), of="missing"),
    View(_WEBHOOK, ("7 days",), of="healthy", query="?period=7d"),
    View(_WEBHOOK, ("fewer filters may show some",), of="healthy", query="?status=dead&event_type=session.completed"),
    View(_WEBHOOK + "/edit", ("Edit webhook", "Save"), of="limited"),
    View(_WEBHOOK + "/delete", ("gets nothing more", "Keep it"), of="paused"),
    View(_WEBHOOK + "/replay", ("What failed for good", "Count", "1 of 1"), of="missing"),
    View(_WEBHOOK + "/cancel", ("deliveries that have not ended", "Keep them"), of="limited"),
    View("/replays/{replay_id}", ("done", "1 of 1 deliveries were given a new round"), of="missing"),
    View(
        "/deliveries",
        ("succeeded", "waiting", "dead", "410 Gone", "the certificate expired on", "the webhook's rate limit"),
    ),
    View("/deliveries", ("no answer came within 3 s",), query="?response_status=timeout"),
    View("/deliveries", ("Pick a tenant",), by="operator"),
    View(_DELIVERY, ("succeeded", "Attempt 1", "session.created"), of="healthy"),
    View(_DELIVERY, ("timeout", "no answer came within 3 s", "Answer 2xx at once"), of="slow"),
    View(_DELIVERY, ("answered 500 Internal Server Error", "the log of your server", "Attempt now"), of="failing"),
    View(_DELIVERY, ("answered 410 Gone", "The webhook was set inactive"), of="gone"),
    View(_DELIVERY, ("tls", "the certificate expired on", "Install a certificate"), of="tls"),
    View(_DELIVERY, ("Waits in line: the webhook's rate limit", "None yet"), of="limited"),
    View(_DELIVERY, ("Waits until the webhook is resumed", "None yet"), of="paused"),
    View(_DELIVERY, ("dead", "answered 404", "Check the path", "Send again"), of="missing"),
    View(_DELIVERY, ("answered 500",), of="failing", by="operator"),
    View("/events", ("session.created", "session.progress", "Fanned out")),
    View("/events", ("Pick a tenant",), by="operator"),
    View(_EVENT, ("410 Gone", "the certificate expired on", "404 Not Found", "webhook's rate limit"), of="healthy"),
    View(_EVENT, ("Webhooks it went to", "answered 500"), of="failing", query="?tenant_id={tenant_id}", by="operator"),
    View("/dead-letters", ("gone", "the endpoint answered 404", "Retry", "Discard"), by="operator"),
    View("/dead-letters/retry", ("Send dead letters again?", "Leave them as they are"), by="operator"),
    View("/dead-letters/discard", ("Discard dead letters?", "Leave them as they are"), by="operator"),
    View("/parked", ("1 is parked", "not JSON", "deliveries.again"), by="operator"),
    View("/parked/message", ("not JSON", "{no event", "Discard…"), of="parked", query="?id={parked_id}", by="operator"),
    View("/parked/retry", ("Send parked messages again?", "1 are parked"), by="operator"),
    View("/parked/discard", ("Discard parked messages for good?",), by="operator"),
)


def possible(ids: Mapping[str, str]) -> list[View]:
    """Each page once, of what has these ids, wherever one that it needs is among them."""
    found = {(view.path, view.query, view.by): replace(view, of="") for view in VIEWS}
    return [view for view in found.values() if set(re.findall(r"{(\w+)}", view.path + view.query)) <= ids.keys()]


NO_PAGES = frozenset({"/static/{version}/{name}", _WEBHOOK + "/live", _DELIVERY + "/live", "/replays/{replay_id}/live"})
"""What the dashboard answers to GET, but not for people to open: files and streams."""
