"""`webhooks test` and `explain`: does it get what it should?"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

import typer

from services.cli.asking import asks
from services.cli.choice import AsJson, EventType
from services.cli.client import Client, path
from services.cli.delivery_view import last_answer, why
from services.cli.inputs import json_given
from services.cli.listing import show_one
from services.cli.pace import pause
from services.cli.refusal import Missing
from services.cli.running import DONE, LEFT
from services.cli.showing import print_fields, print_json
from services.cli.webhook_choice import WebhookGiven
from shared.contracts.delivery import LIVE, Status, WaitingFor

app = typer.Typer()
_LOOK_SECONDS = 0.3

_TEST = """
Send a sample event through the real pipeline, to this webhook only.

With `--wait` it says what the first attempt led to, and ends with 0 only if that succeeded.

**Example**

    python -m services.cli webhooks test webhook_0123456789abcdef --event-type session.completed --wait
"""


@asks(app, "test", _TEST)
async def sample(
    api: Client,
    webhook_id: WebhookGiven,
    event_type: EventType = None,
    wait: Annotated[bool, typer.Option("--wait", help="For its first attempt.")] = False,
    as_json: AsJson = False,
) -> int:
    sent = await api.change("POST", path("webhooks", webhook_id, "test"), {"event_type": event_type})
    if not wait:
        return show_one(sent, as_json=as_json)
    delivery = await _attempted(api, sent.json["delivery_id"])
    if as_json:
        print_json(delivery)
    else:
        told = {"status": delivery["status"], "because": why(delivery), "answer": last_answer(delivery)}
        print_fields({**sent.json, **told})
    return DONE if delivery["status"] == Status.SUCCEEDED else LEFT


async def _attempted(api: Client, delivery_id: str) -> dict[str, Any]:
    """The delivery once there is something to tell. It is there as soon as the event was fanned out."""
    while True:
        with suppress(Missing):
            delivery = (await api.get(path("deliveries", delivery_id))).json
            if _is_telling(delivery):
                return delivery
        await pause(_LOOK_SECONDS, api.stopped)


def _is_telling(delivery: Mapping[str, Any]) -> bool:
    ended, attempted = delivery["status"] not in LIVE, delivery["attempt_count"] > 0
    return ended or attempted or delivery["waiting_for"] == WaitingFor.RESUME


_EXPLAIN = """
Would this event go to the webhook by its settings of now, and if not, why? Nothing is sent.

Ends with 0 if it would, with 1 if not.

**Example**

    python -m services.cli webhooks explain webhook_0123456789abcdef --event session.completed --data @data.json
"""


@asks(app, "explain", _EXPLAIN)
async def explain(
    api: Client,
    webhook_id: WebhookGiven,
    event: Annotated[str, typer.Option("--event", metavar="TYPE", help="The event's type.")],
    data: Annotated[str, typer.Option("--data", metavar="JSON", help="The event's data; or @FILE.")],
    as_json: AsJson = False,
) -> int:
    wanted = {"event": event, "data": json_given("--data", data)}
    told = await api.change("POST", path("webhooks", webhook_id, "explain"), wanted)
    show_one(told, as_json=as_json)
    return DONE if told.json["matches"] else LEFT
