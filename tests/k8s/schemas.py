"""Judges manifests by the published schemas of Kubernetes and of the operators; unknown fields are problems.

Never validated, because no schema says anything about it: RabbitMQ's `additionalConfig` and ingress-nginx' annotations,
which are text for those, and what the operators' StatefulSets look like once ours is merged into theirs.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator

from tests.k8s.rendered import Manifest

CRDS = Path(__file__).resolve().parents[1] / "fixtures/crds"
VERSIONS = ("1.30", "1.37")
"""The oldest that has all we use switched on (the pause before a stop), and the newest there are schemas of."""


def problems(manifest: Manifest, version: str) -> list[str]:
    """Empty: it is valid for Kubernetes of this version, or for the operator whose resource it is."""
    validator = _of_operator(manifest["apiVersion"], manifest["kind"])
    if validator:
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)]
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{error.json_path}: {error.message}"]
    return []


def _of_operator(api_version: str, kind: str) -> Draft202012Validator | None:
    file = CRDS / f"{kind.lower()}.json"
    return _validator(file, api_version) if file.exists() else None


@cache
def _validator(file: Path, api_version: str) -> Draft202012Validator:
    published = json.loads(file.read_text())
    assert published["apiVersion"] == api_version
    return Draft202012Validator(_strict(published["schema"]))


def _strict(schema: Any) -> Any:
    """The same, refusing what it does not name, as `kubectl --validate=strict` does."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _strict(value) for name, value in schema.items() if name != "properties"}
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return made
    if "properties" in schema:
        made["properties"] = {name: _strict(inner) for name, inner in schema["properties"].items()}
        made.setdefault("additionalProperties", False)
    return made
