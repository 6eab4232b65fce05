"""Keys of a site for development: made once, kept in a private file, so that data of an earlier run stay readable."""

import base64
import json
import os
from pathlib import Path


def remembered_keys(file: Path) -> dict[str, str]:
    if not file.exists():
        write_private(file, json.dumps(_made()))
    known: dict[str, str] = json.loads(file.read_text())
    return known


def write_private(file: Path, text: str) -> None:
    """Readable by its owner only, and never half-written."""
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
    draft.replace(file)


def _made() -> dict[str, str]:
    return {
        "admin_key": "scorm_" + _random(32),
        "secret_keys": "local:" + base64.b64encode(os.urandom(32)).decode(),
        "sample_secret": "sample-" + _random(24),
        "rabbitmq_password": _random(24),  # of a broker in a container; a private one has only its own machine to fear
    }


def _random(size: int) -> str:
    return base64.urlsafe_b64encode(os.urandom(size)).decode().rstrip("=")
