"""What keeps secrets: the box opens for its owner only, and logs lose what is named like a secret."""

import base64

import pytest

from shared.errors import DeliveryFault, StartupError
from shared.logs import redact
from shared.store.secrets import SecretBox


def _key(name: str, byte: bytes) -> str:
    return f"{name}:{base64.b64encode(byte * 32).decode()}"


def test_a_secret_box_opens_with_any_of_its_keys_for_its_owner_only() -> None:
    old, both = SecretBox(_key("k1", b"1")), SecretBox(f"{_key('k2', b'2')},{_key('k1', b'1')}")
    stored = old.close("the secret", "webhook_1")
    assert b"the secret" not in stored["box"]
    assert both.open(stored, "webhook_1") == "the secret"
    assert both.close("x", "webhook_1")["key"] == "k2"
    for owner, box in (
        ("webhook_2", both),
        ("webhook_1", SecretBox(_key("k1", b"3"))),
        ("webhook_1", SecretBox(_key("k9", b"1"))),
    ):
        with pytest.raises(DeliveryFault):
            box.open(stored, owner)


@pytest.mark.parametrize("keys", ["", "k1", "k1:short", ":" + base64.b64encode(b"1" * 32).decode()])
def test_bad_keys_stop_the_process_and_say_how_to_make_one(keys: str) -> None:
    with pytest.raises(StartupError, match=r"DISPATCHER_SECRET_KEYS.*make one with"):
        SecretBox(keys)


def test_logs_lose_what_is_named_like_a_secret() -> None:
    logged = redact(None, "info", {"event": "x", "Secret_key": "s", "X-Allure-Signature": "s", "api_key": "s", "n": 1})
    assert logged == {
        "event": "x",
        "Secret_key": "[redacted]",
        "X-Allure-Signature": "[redacted]",
        "api_key": "[redacted]",
        "n": 1,
    }
