"""Who is signed in: a sealed cookie that every copy of the api opens, and that ends with its key."""

import binascii
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
    """The one that every form of this session holds."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    token: str = session["csrf"]
    return token
