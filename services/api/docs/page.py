"""What the page shows of an OpenAPI document, and the page itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.api.docs.codes import CODES
from services.api.docs.examples import Examples
from services.api.docs.schemas import Field, Schemas, shown

Json = dict[str, Any]

FOLDER = Path(__file__).parent
_ALIAS = "customer_"
_JSON = "application/json"
_ADDRESS = re.compile(r"^`[A-Z]+ [^`]*`[.:]\s*")  # that of the operation, which stands above
_SCOPE = re.compile(r"\s*Scope: `(\w+)`\.\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """`sent`: callers send it; else it is what they are answered."""

    name: str
    title: str
    about: str
    fields: list[Field]
    sent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One that is not a refusal; without a model there is nothing in it."""

    status: str
    model: str | None
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    name: str
    method: str
    path: str
    scope: str
    summary: str
    about: str
    parameters: list[tuple[str, Field]]
    """Each with where it goes: path, query or header."""
    body: Model | None
    body_needed: bool
    answers: list[Answer]
    refusals: list[str]
    curl: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    name: str
    title: str
    operations: list[Operation]


class Page:
    """The operations of a document by tag, and the models that they name. Aliases are left out."""

    def __init__(self, document: Json) -> None:
        models = document["components"]["schemas"]
        self._schemas = Schemas(models)
        self._examples = Examples(models)
        self.info = document["info"]
        self.headers = document["components"].get("headers", {})
        self.statuses = document["components"].get("responses", {})
        self.groups = self._groups(document["paths"])
        self.codes = CODES
        self.limit = _limit(document["paths"])
        self.models = self._models()

    def _models(self) -> list[Model]:
        """All that operations name; a body is shown in full where it is."""
        operations = [operation for group in self.groups for operation in group.operations]
        sent = self._schemas.reachable([name for one in operations for name in _named(one)])
        answered = self._schemas.reachable(
            [answer.model for one in operations for answer in one.answers if answer.model]
        )
        return [self._model(name, sent=name in sent) for name in sorted({*sent, *answered})]

    def _groups(self, paths: Json) -> list[Group]:
        tagged: dict[str, list[Operation]] = {}
        for path, methods in paths.items():
            for method, operation in methods.items():
                if not operation["operationId"].startswith(_ALIAS):
                    made = self._operation(method.upper(), path, operation)
                    tagged.setdefault(operation["tags"][0], []).append(made)
        return [Group(name=tag, title=_title(tag), operations=made) for tag, made in tagged.items()]

    def _operation(self, method: str, path: str, operation: Json) -> Operation:
        about, scope = _about_and_scope(operation.get("description", ""))
        body = operation.get("requestBody")
        responses = operation["responses"]
        return Operation(
            name=operation["operationId"],
            method=method,
            path=path,
            scope=scope,
            summary=operation.get("summary", ""),
            about=about,
            parameters=[(one["in"], self._parameter(one)) for one in operation.get("parameters", ())],
            body=self._body(body["content"][_JSON]["schema"]) if body else None,
            body_needed=bool(body and body.get("required")),
            answers=[self._answer(status, one) for status, one in responses.items() if status < "400"],
            refusals=[status for status in responses if status >= "400"],
            curl=self._examples.curl(method, path, operation),
        )

    def _parameter(self, parameter: Json) -> Field:
        required, meaning = parameter.get("required", False), parameter.get("description", "")
        return self._schemas.field(parameter["name"], parameter["schema"], required=required, meaning=meaning)

    def _body(self, schema: Json) -> Model | None:
        name = self._schemas.named(schema)
        return self._model(name, sent=True) if name else None

    def _answer(self, status: str, response: Json) -> Answer:
        schema = response.get("content", {}).get(_JSON, {}).get("schema", {})
        name = self._schemas.named(schema)
        return Answer(status=status, model=name, title=shown(name) if name else "")

    def _model(self, name: str, *, sent: bool) -> Model:
        about = _ADDRESS.sub("", self._schemas.about(name))
        about = about[:1].upper() + about[1:]
        return Model(name=name, title=shown(name), about=about, fields=self._schemas.fields(name), sent=sent)


def render(document: Json) -> str:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(page=Page(document))


def _named(operation: Operation) -> Iterator[str]:
    """The models that are part of what is sent."""
    for field in (*(field for _, field in operation.parameters), *(operation.body.fields if operation.body else ())):
        yield from (word.model for word in field.kind if word.model)


def _limit(paths: Json) -> Json:
    """How many entries the pages of lists have."""
    parameters = [
        one for methods in paths.values() for operation in methods.values() for one in operation["parameters"]
    ]
    found: Json = next((one["schema"] for one in parameters if one["name"] == "limit"), {})
    return {"default": 50, "maximum": 200, **found}


def _about_and_scope(description: str) -> tuple[str, str]:
    found = _SCOPE.search(description)
    return (description[: found.start()], found[1]) if found else (description, "")


def _title(tag: str) -> str:
    return tag.replace("-", " ").capitalize().replace("Api ", "API ")
