"""Signatures verify with the public client libraries and with the standard's published vector."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix

from services.delivery.signing import signature_headers, standard_signature

BODY = b'{"event":"session.created","delivery_id":"delivery_1"}'


def test_the_published_vector() -> None:
    signature = standard_signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.Webhook])
@pytest.mark.parametrize("secret", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "c2l4dGVlbi1ieXRlcy1hdC1sZWFzdA=="])
def test_public_client_libraries_accept_it(library: type[svix.Webhook], secret: str) -> None:
    now = int(datetime.now(UTC).timestamp())
    # A secret without the prefix is used as its text's bytes; the libraries take bytes as they are.
    key: str | bytes = secret if secret.startswith("whsec_") else secret.encode()
    headers = signature_headers((secret,), "delivery_1", now, BODY)
    library(key).verify(BODY, headers)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="No matching signature"):
        library(key).verify(BODY + b" ", headers)  # type: ignore[arg-type]


def test_the_guide_s_signature_uses_the_secret_s_text_as_it_stands() -> None:
    headers = signature_headers(("whsec_abc",), "delivery_1", 1, BODY)
    assert headers["X-Allure-Signature"] == hmac.new(b"whsec_abc", BODY, hashlib.sha256).hexdigest()


def test_during_an_overlap_both_secrets_sign_and_the_first_stays_the_guide_s() -> None:
    headers = signature_headers(("old-secret", "new-secret"), "delivery_1", 1, BODY)
    old, new = headers["webhook-signature"].split()
    assert old == standard_signature("old-secret", "delivery_1", 1, BODY)
    assert new == standard_signature("new-secret", "delivery_1", 1, BODY)
    assert headers["X-Allure-Signature"] == hmac.new(b"old-secret", BODY, hashlib.sha256).hexdigest()
