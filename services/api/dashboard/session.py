"""Who is signed in: a sealed cookie that every copy of the api opens, and that ends with its key."""

import binascii
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from aiohttp import web
from aiohttp_session import AbstractStorage, Session

from shared.errors import DeliveryFault
from shared.store.secrets import SecretBox

COOKIE = "dispatcher_session"
PATH = "/dashboard"
HOURS = 12  # without being used
_OWNER = "a session of the dashboard"


class SealedCookie(AbstractStorage):
    """Encrypted like webhooks' secrets: the first key seals, all open, so that a change of keys signs nobody out."""

    def __init__(self, box: SecretBox) -> None:
        super().__init__(cookie_name=COOKIE, path=PATH, max_age=HOURS * 3600, samesite="Lax")
        self._box = box

    async def load_session(self, request: web.Request) -> Session:
        """A cookie that does not open is as good as none."""
        data = self._opened(self.load_cookie(request) or "")
        return Session(None, data=data, new=data is None, max_age=self.max_age)

    async def save_session(self, request: web.Request, response: web.StreamResponse, session: Session) -> None:
        if session.empty:
            self.save_cookie(response, "")
            return
        closed = self._box.close(self._encoder(self._get_session_data(session)), _OWNER)
        text = urlsafe_b64encode(closed["box"]).decode()
        self.save_cookie(response, f"{closed['key']}.{text}", max_age=self.max_age)
        if request.headers.get("X-Forwarded-Proto", request.scheme) == "https":
            response.cookies[COOKIE]["secure"] = True

    def _opened(self, cookie: str) -> Any:
        name, _, text = cookie.rpartition(".")
        try:
            return self._decoder(self._box.open({"key": name, "box": urlsafe_b64decode(text)}, _OWNER))
        except (DeliveryFault, binascii.Error, ValueError):
            return None


def csrf_token(session: Session) -> str:
    """What every form of a page holds: this session's secret, with a pad of each page's own.

    Pages are compressed. Were the secret in them as it is, their sizes would tell it to whoever can have them made
    with guesses of it in their filters (BREACH).
    """
    secret = _csrf_secret(session)
    pad = secrets.token_bytes(len(secret))
    return urlsafe_b64encode(pad + _xor(pad, secret)).decode()


def holds_csrf_token(session: Session, given: str) -> bool:
    """Whether a form with this came from a page of this session."""
    secret = _csrf_secret(session)
    try:
        sent = urlsafe_b64decode(given)
    except ValueError:
        return False
    pad, covered = sent[: len(secret)], sent[len(secret) :]
    return len(pad) == len(covered) and hmac.compare_digest(_xor(pad, covered), secret)


def _csrf_secret(session: Session) -> bytes:
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    secret: str = session["csrf"]
    return secret.encode()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
