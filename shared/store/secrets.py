"""Encrypts secrets at rest: AES-256-GCM, keys by id so that they can be rotated. Pure but for the nonce."""

import base64
import binascii
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import DeliveryFault, StartupError

_NONCE_BYTES = 12
_KEY_BYTES = 32
_HOW = "make one with: python3 -c \"import base64, os; print('k1:' + base64.b64encode(os.urandom(32)).decode())\""


class SecretBox:
    """Opens what any of its keys closed; closes with the first."""

    def __init__(self, keys: str) -> None:
        """`keys`: `id:base64 of 32 bytes`, comma separated. Raises StartupError."""
        entries = [_key(part.strip()) for part in keys.split(",") if part.strip()]
        self._keys = dict(entries)
        if not self._keys:
            raise StartupError(f"DISPATCHER_SECRET_KEYS is not set: secrets are never stored in the clear; {_HOW}")
        if len(self._keys) < len(entries):
            raise StartupError("DISPATCHER_SECRET_KEYS: two entries have one id; each key needs an id of its own")
        self.first = next(iter(self._keys))

    @property
    def ids(self) -> list[str]:
        """Of its keys."""
        return list(self._keys)

    def close(self, text: str, owner: str) -> dict[str, Any]:
        """Encrypt for `owner` (a webhook's id): the box opens for nobody else."""
        nonce = os.urandom(_NONCE_BYTES)
        box = self._keys[self.first].encrypt(nonce, text.encode(), owner.encode())
        return {"key": self.first, "box": nonce + box}

    def open(self, stored: dict[str, Any], owner: str) -> str:
        """Raises DeliveryFault when the key is unknown or the box was tampered with."""
        key = self._keys.get(stored["key"])
        if key is None:
            raise DeliveryFault(f"secret of {owner} is encrypted with key {stored['key']!r}, which is not configured")
        box = bytes(stored["box"])
        try:
            return key.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], owner.encode()).decode()
        except InvalidTag:
            raise DeliveryFault(f"secret of {owner} does not open with key {stored['key']!r}") from None


def new_entry(name: str) -> str:
    """An entry of DISPATCHER_SECRET_KEYS with a key that nobody else has."""
    return f"{name}:{base64.b64encode(os.urandom(_KEY_BYTES)).decode()}"


def _key(part: str) -> tuple[str, AESGCM]:
    name, _, text = part.partition(":")
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if not name or len(key) != _KEY_BYTES:
        raise StartupError(f"DISPATCHER_SECRET_KEYS: an entry is not id:base64 of 32 bytes; {_HOW}")
    return name, AESGCM(key)
