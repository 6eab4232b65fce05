"""Makes a request that could be sent: from the document's examples, else from what its schemas allow. Pure."""

import json
import shlex
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]

_NAMED = {
    "tenant_id": "550e8400-e29b-41d4-a716-446655440000",
    "url": "https://your-app.com/api/webhooks/scorm",
}
_MOMENT = "2025-01-15T10:30:00.000Z"
_DIGITS = "0123456789abcdef"
_PLAIN: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "null": None}
_JSON = "application/json"


class Examples:
    """`models`: the document's schemas, by name."""

    def __init__(self, models: Json) -> None:
        self._models = models

    def curl(self, method: str, path: str, operation: Json) -> str:
        """`$API` and `$KEY` stand for what differs from caller to caller."""
        lines = [f'curl{"" if method == "GET" else f" -X {method}"} "$API{self._address(path, operation)}"']
        lines.append('-H "X-API-Key: $KEY"')
        if "requestBody" in operation:
            lines += [f'-H "Content-Type: {_JSON}"', f"-d {shlex.quote(self.body(operation))}"]
        return " \\\n  ".join(lines)

    def body(self, operation: Json) -> str:
        media = operation["requestBody"]["content"][_JSON]
        return json.dumps(_given(media, self.value(media["schema"])), indent=2, ensure_ascii=False)

    def value(self, schema: Json, name: str = "") -> Any:
        """One that the schema allows, with what has to be there only."""
        if "$ref" in schema:
            return self.value(self._models[schema["$ref"].rpartition("/")[2]], name)
        made = self._made(schema, name)
        return _given(schema, made)

    def _made(self, schema: Json, name: str) -> Any:
        if choices := schema.get("enum"):
            return choices[0]
        if options := schema.get("anyOf") or (schema.get("oneOf") if "properties" not in schema else None):
            return self.value(options[0], name)
        match schema.get("type"):
            case "object":
                required = schema.get("required", ())
                return {field: self.value(schema["properties"][field], field) for field in required}
            case "array":
                return [self.value(schema.get("items", {}), name)]
            case "string":
                return _text(schema, name)
            case "integer" | "number" if "minimum" in schema:
                return schema["minimum"]
            case kind:
                return _PLAIN.get(str(kind), {})

    def _address(self, path: str, operation: Json) -> str:
        """Of the query only what every page of a list has."""
        asked = []
        for parameter in _parameters(operation):
            name, schema = parameter["name"], parameter["schema"]
            value = _given(parameter, self.value(schema, name))
            if parameter["in"] == "path":
                path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
            elif parameter["in"] == "query" and (parameter.get("required") or name == "limit"):
                asked.append(f"{name}={quote(str(value))}")
        return path + ("?" + "&".join(asked) if asked else "")


def _parameters(operation: Json) -> Iterable[Json]:
    found: list[Json] = operation.get("parameters", [])
    return found


def _given(holder: Json, otherwise: Any) -> Any:
    """The example that a schema, a parameter or a media type has of its own."""
    examples = holder.get("examples")
    if isinstance(examples, dict) and examples:
        return next(iter(examples.values()))["value"]
    return holder["example"] if "example" in holder else examples[0] if examples else holder.get("default", otherwise)


def _text(schema: Json, name: str) -> str:
    if schema.get("format") == "date-time":
        return _MOMENT
    if name in _NAMED:
        return _NAMED[name]
    if name.endswith("_id"):
        return f"{name.removesuffix('_id')}_{_DIGITS}"
    return "text".ljust(schema.get("minLength", 0), "_")
