"""Signs a body in both schemes. Pure: the moment comes in.

`X-Allure-Signature` is the guide's; `webhook-*` is Standard Webhooks, with its key rule: base64 after `whsec_`, else
the text's bytes.
"""

import base64
import binascii
import hmac
from functools import lru_cache

_PREFIX = "whsec_"


@lru_cache(maxsize=10_000)
def standard_key(secret: str) -> bytes:
    """The key of the second scheme. A `whsec_` secret whose rest is not base64 is used as it stands."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret[len(_PREFIX) :], validate=True)
        except binascii.Error:
            pass
    return secret.encode()


@lru_cache(maxsize=10_000)
def _keyed(key: bytes) -> hmac.HMAC:
    """To be copied: half of what a signature costs is setting up its key."""
    return hmac.new(key, digestmod="sha256")


def _digest(key: bytes, message: bytes) -> bytes:
    keyed = _keyed(key).copy()
    keyed.update(message)
    return keyed.digest()


def allure_signature(secret: str, body: bytes) -> str:
    """Lower-case hex HMAC-SHA256 of the raw body with the secret's text as it stands."""
    return _digest(secret.encode(), body).hex()


def standard_signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` + base64 HMAC-SHA256 of `id.timestamp.body`."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(_digest(standard_key(secret), signed)).decode()


def signature_headers(secrets: tuple[str, ...], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """`timestamp` in whole seconds since the epoch. The first secret is the one in force, others overlap with it."""
    return {
        "X-Allure-Signature": allure_signature(secrets[0], body),
        "X-Allure-Signature-Algorithm": "sha256",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(standard_signature(secret, message_id, timestamp, body) for secret in secrets),
    }
