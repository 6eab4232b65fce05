"""The forms of ids in paths and parameters. An id of another form names nothing that could exist."""

from typing import Annotated

from pydantic import StringConstraints

FORMS = {
    "webhook_id": r"^webhook_[0-9a-zA-Z]{1,64}$",
    "delivery_id": r"^delivery_[0-9a-zA-Z]{1,64}$",
    "event_id": r"^[\x21-\x7e]{1,255}$",
    "replay_id": r"^replay_[0-9a-f]{1,64}$",
    "erasure_id": r"^erasure_[0-9a-f]{1,64}$",
    "key_id": r"^key_[0-9a-f]{1,64}$",
    "tenant_id": r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$",
}
WebhookId = Annotated[str, StringConstraints(pattern=FORMS["webhook_id"])]
