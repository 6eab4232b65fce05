"""An event as it is shown to people."""

from typing import Any

import msgspec

from services.cli.client import Answer
from services.cli.delivery_view import last_answer, why
from services.cli.listing import Column
from services.cli.showing import print_fields
from shared.readable import readable

COLUMNS: dict[str, Column] = {
    "id": "id",
    "tenant": "tenant_id",
    "event": "event",
    "timestamp": "timestamp",
    "taken": "created_at",
}


class _Data(msgspec.Struct):
    """As it was published: numbers in it may be larger than a parser keeps."""

    data: msgspec.Raw


def tell(answer: Answer) -> None:
    event = answer.json
    webhooks = event.pop("webhooks")
    del event["data"]
    print_fields(event)
    print("data")
    print(readable(bytes(msgspec.json.decode(answer.raw, type=_Data).data)))
    for one in webhooks:
        print(f"webhook {one['webhook_id']}")
        print_fields(_became(one), indent="  ")


def _became(at: dict[str, Any]) -> dict[str, Any]:
    delivery, now = at["delivery"], at["by_settings_of_now"]
    if delivery is None:
        return {
            "delivery": "none",
            "why not, by its settings of now": "; ".join(now["reasons"]) or "it would match now",
        }
    return {
        "delivery": delivery["id"],
        "status": delivery["status"],
        "because": why(delivery),
        "attempts": delivery["attempt_count"],
        "last answer": last_answer(delivery),
    }
