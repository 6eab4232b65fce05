"""What version 1 wrote, and what it needs of what is written today: during a rollout both versions run."""

import json
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from bson import json_util
from jsonschema import Draft202012Validator

V1 = Path(__file__).resolve().parent / "fixtures/v1"
MESSAGES = ("event-message", "event-array-message", "delivery-message", "marker", "dead-letter")
DOCUMENTS = ("webhook", "event", "delivery", "key", "replay", "health")

_WRITTEN = json_util.CANONICAL_JSON_OPTIONS.with_options(tz_aware=True, tzinfo=UTC)


def message(name: str) -> bytes:
    return (V1 / f"{name}.json").read_bytes().strip()


def document(name: str) -> dict[str, Any]:
    """As the database answers it."""
    found: dict[str, Any] = json_util.loads((V1 / f"{name}-document.json").read_text(), json_options=_WRITTEN)
    return found


def complaints(kind: str, written: Any) -> list[str]:
    """Of a process of version 1 about a message (its bytes) or a document; empty: it can work with it."""
    as_json = json.loads(written) if isinstance(written, bytes) else json.loads(json_util.dumps(written))
    return [f"{error.json_path}: {error.message}" for error in _reader()[kind].iter_errors(as_json)]


@cache
def _reader() -> dict[str, Draft202012Validator]:
    rules = yaml.safe_load((V1 / "reader.yml").read_text())
    return {kind: Draft202012Validator(schema) for kind, schema in rules.items()}
