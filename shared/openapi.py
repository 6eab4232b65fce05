"""The OpenAPI 3.1 document of a service, made from its routes and their models. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema

from shared import VERSION
from shared.contracts.ids import FORMS
from shared.routes import Header, Route

Json = dict[str, Any]

JSON = "application/json"
_REFUSALS = {
    400: "What was sent cannot be used: `error` says why, `details.field` where.",
    401: "No API key, or one that is unknown, revoked or expired.",
    403: "The key lacks the scope, or belongs to another tenant.",
    404: "There is no such thing, or it is another tenant's.",
    409: "What is asked for cannot be done to it as it is now.",
    413: "The body is too large.",
    415: "The body is not `application/json`.",
    429: "Too many requests: `Retry-After` says when to come back.",
    503: "A dependency is away: nothing was done, `Retry-After` says when to come back.",
}
_ALWAYS = (400, 401, 403, 429, 503)
_WITH_BODY = (413, 415)


class Error(BaseModel):
    """Every refusal."""

    error: str = Field(description="for people")
    code: str = Field(examples=["INVALID_REQUEST"])
    details: dict[str, Any]


class AsWritten(GenerateJsonSchema):
    """Examples keep the order of their fields."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value


def document(title: str, about: str, routes: Sequence[Route]) -> Json:
    schemas, definitions = _schemas(routes)
    paths: Json = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": VERSION, "description": about},
        "servers": [{"url": "/"}],
        "security": [{"ApiKey": []}, {"Bearer": []}],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "responses": {str(status): _refusal(status, words) for status, words in _REFUSALS.items()},
            "headers": _HEADERS,
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "Bearer": {"type": "http", "scheme": "bearer", "description": "The same keys."},
            },
        },
    }


_RATE_LIMIT = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_HEADERS: Json = {
    "X-Request-Id": {"description": "The one that was sent, or one of ours.", "schema": {"type": "string"}},
    "X-RateLimit-Limit": {"description": "Granted per minute.", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "Left of it.", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {"description": "When all of it is back, unix time.", "schema": {"type": "integer"}},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
    "ETag": {"description": "The version, for `If-Match`.", "schema": {"type": "string"}},
}


def _schemas(routes: Iterable[Route]) -> tuple[dict[type[BaseModel], Json], Json]:
    """A reference for each model, and the definitions that they refer to."""
    sent = [(route.body, "validation") for route in routes if route.body]
    answered = [(model, "serialization") for model in (*(route.answer for route in routes if route.answer), Error)]
    models = dict.fromkeys((*sent, *answered))
    references, found = models_json_schema(
        list(models),  # type: ignore[arg-type]  # the names of the modes are literals
        ref_template="#/components/schemas/{model}",
        schema_generator=AsWritten,
    )
    by_model = {model: schema for (model, _), schema in references.items()}
    return by_model, dict(sorted(found["$defs"].items()))  # type: ignore[return-value]  # all are models


def _operation(route: Route, schemas: dict[type[BaseModel], Json]) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "description": f"{route.description}\n\nScope: `{route.scope}`.".strip(),
        "tags": [route.path.split("/")[3]],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *map(_header, route.headers)],
        "responses": _responses(route, schemas),
    }
    if route.body:
        required = any(field.is_required() for field in route.body.model_fields.values())
        operation["requestBody"] = {"required": required, "content": {JSON: {"schema": schemas[route.body]}}}
    return operation


def _path_parameters(route: Route) -> list[Json]:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": FORMS[name]}}
        for name in names
    ]


def _query_parameters(route: Route) -> list[Json]:
    # Strings with rules of their own are validated, not serialised: the schema of what may be sent.
    properties = route.query.model_json_schema(mode="validation", ref_template="{model}")
    definitions = properties.get("$defs", {})
    return [
        {"name": name, "in": "query", "required": False, **_parameter(schema, definitions)}
        for name, schema in properties.get("properties", {}).items()
    ]


def _parameter(schema: Json, definitions: Json) -> Json:
    """A parameter that may be left out: never null, and with what it refers to in its place."""
    [inner] = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    about = schema.get("description") or inner.get("description")
    inner = definitions[inner["$ref"]] if "$ref" in inner else inner
    kept = {key: value for key, value in inner.items() if key not in ("title", "description")}
    return {"schema": kept, **({"description": about} if about else {})}


def _header(header: Header) -> Json:
    about = {"name": header.name, "in": "header", "required": False, "schema": header.schema}
    return {**about, "description": header.description}


def _responses(route: Route, schemas: dict[type[BaseModel], Json]) -> Json:
    names = [*route.answer_headers, "X-Request-Id", *_RATE_LIMIT]
    good: Json = {
        "description": "Done." if route.answer is None else route.answer.__name__,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
    }
    if route.answer:
        good["content"] = {JSON: {"schema": schemas[route.answer]}}
    if route.links:
        good["links"] = {
            name: {"operationId": name, "parameters": dict(parameters)} for name, parameters in route.links.items()
        }
    with_body = _WITH_BODY if route.body or route.raw_body else ()
    refusals = sorted({*_ALWAYS, *with_body, *route.refusals})
    found = {str(route.status): good}
    return found | {str(status): {"$ref": f"#/components/responses/{status}"} for status in refusals}


def _refusal(status: int, words: str) -> Json:
    names = ["X-Request-Id", *(["Retry-After"] if status in (429, 503) else [])]
    return {
        "description": words,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
