"""`/docs`, as a browser gets it: complete, usable without a mouse or eyes, and with nothing on it from elsewhere."""

import gzip
import json
import re
import shlex
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from pydantic import BaseModel, Field

from services.api.app import application
from services.api.docs.page import render
from services.api.services import routes, services
from shared import wiring
from shared.contracts.ids import FORMS
from shared.egress import Egress
from shared.limiter import Limiter
from shared.openapi import document
from shared.routes import Ask, Nothing, Reply, Route
from shared.store.keys import Keys
from shared.store.mongo import Mongo
from tests.cluster import ADMIN_KEY, SECRET_KEYS

PROJECT = Path(__file__).parent.parent.parent
CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
VOID = {"meta", "link", "br", "img", "hr"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    above: "Element | None" = None
    text: str = ""
    inner: list["Element"] = field(default_factory=list)

    def all(self, *tags: str) -> list["Element"]:
        found = [self] if self.tag in tags or not tags else []
        return found + [element for inner in self.inner for element in inner.all(*tags)]

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


class Reader(HTMLParser):
    """The page as a tree. Every element that is opened is closed, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = self._at = Element("", {})
        self.feed(html)
        assert self._at is self.root, f"<{self._at.tag}> is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs}, self._at)
        self._at.inner.append(made)
        if tag not in VOID:
            self._at = made

    def handle_endtag(self, tag: str) -> None:
        assert self._at.tag == tag, f"</{tag}> closes <{self._at.tag}>"
        assert self._at.above
        self._at = self._at.above

    def handle_data(self, data: str) -> None:
        at: Element | None = self._at
        while at:
            at.text += data
            at = at.above


@dataclass
class Shown:
    client: TestClient[Any, Any]
    routes: list[Route]
    html: str
    page: Element
    described: dict[str, Any]

    def article(self, name: str) -> Element:
        (found,) = [element for element in self.page.all("article") if element.attributes["id"] == name]
        return found

    @property
    def operations(self) -> dict[str, tuple[str, str, dict[str, Any]]]:
        """By name: method, path, and what the document says; aliases left out."""
        return {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in self.described["paths"].items()
            for method, operation in methods.items()
            if not operation["operationId"].startswith("customer_")
        }

    def curl(self, name: str) -> list[str]:
        return shlex.split(self.article(name).all("pre")[-1].text)


@pytest_asyncio.fixture(loop_scope="session")
async def shown(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shown]:
    """The page needs no database: it is served while that is away."""
    monkeypatch.setenv("DISPATCHER_SECRET_KEYS", SECRET_KEYS)
    mongo = Mongo(url="mongodb://127.0.0.1:1", database="none", timeout_seconds=1)
    keys = Keys(mongo, admin_key=ADMIN_KEY)
    served = routes(services(mongo, keys, egress=Egress(""), lookout=wiring.lookout("test"), webhooks_per_tenant=5))
    async with TestClient(TestServer(application(keys, Limiter(per_minute=0), served))) as client:
        html = await (await client.get("/docs")).text()
        described = await (await client.get("/openapi.json")).json()
        yield Shown(client, served, html, Reader(html).root, described)


async def test_every_operation_is_there_with_its_scope_and_the_aliases_are_not(shown: Shown) -> None:
    scopes = {route.name: route.scope for route in shown.routes}
    assert len(shown.operations) > 20
    for name, (method, path, operation) in shown.operations.items():
        article = shown.article(name)
        assert article.words.startswith(operation["summary"])
        assert f"{method} {path} scope {scopes[name]}" in article.words
    assert "customer_" not in shown.html
    assert shown.page.words.count("/api/customer/webhooks") == 1


async def test_every_parameter_field_and_answer_is_there(shown: Shown) -> None:
    models = shown.described["components"]["schemas"]
    for name, (_, _, operation) in shown.operations.items():
        article = shown.article(name)
        named = [header.words for header in article.all("th")]
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        model = models.get(body.get("$ref", "").rpartition("/")[2], {})
        for parameter in operation["parameters"]:
            assert parameter["name"] + (" required" if parameter["required"] else "") in named
        for one in model.get("properties", {}):
            assert one + (" required" if one in model.get("required", ()) else "") in named, (name, one)
        for status in operation["responses"]:
            assert status in article.words
    for link in shown.page.all("a"):
        if link.attributes["href"].startswith("#model-"):
            assert shown.article(link.attributes["href"][1:]).all("table"), link


async def test_every_code_that_the_api_answers_is_explained(shown: Shown) -> None:
    folders = (PROJECT / "services/api", PROJECT / "shared")
    sources = [path.read_text() for folder in folders for path in folder.rglob("*.py") if path.name != "codes.py"]
    codes = {code for text in sources for code in re.findall(r'(?:Refused|error)\(\s*\d+,\s*"([A-Z_]+)"', text)}
    assert len(codes) > 5
    explained = {header.words for header in shown.page.all("th")}
    assert codes <= explained, codes - explained


async def test_every_example_is_a_request_that_its_route_takes(shown: Shown) -> None:
    by_name = {route.name: route for route in shown.routes}
    for name, (method, _, _) in shown.operations.items():
        words, route = shown.curl(name), by_name[name]
        assert words[0] == "curl"
        assert (words[words.index("-X") + 1] if "-X" in words else "GET") == method
        assert "X-API-Key: $KEY" in words
        address = urlsplit(next(word for word in words if word.startswith("$API")).removeprefix("$API"))
        pattern = re.sub(r"\{(\w+)\}", lambda found: FORMS[found[1]][1:-1], route.path)
        assert re.fullmatch(pattern, address.path), (address.path, pattern)
        route.query.model_validate(dict(part.split("=") for part in address.query.split("&") if part))
        if route.body:
            route.body.model_validate_json(words[words.index("-d") + 1])
            assert "Content-Type: application/json" in words
        else:
            assert "-d" not in words


async def test_nothing_runs_on_the_page_and_nothing_comes_from_elsewhere(shown: Shown) -> None:
    for element in shown.page.all():
        assert element.tag not in ("script", "style", "iframe", "object", "embed", "form", "base"), element.tag
        assert not [name for name in element.attributes if name == "style" or name.startswith("on")], element
        if element.tag != "a":
            for name in ("src", "href"):
                address = urlsplit(element.attributes.get(name, ""))
                assert (address.scheme, address.netloc) == ("", ""), element
    css = await (await shown.client.get("/docs/style.css")).text()
    assert "url(" not in css
    assert "@import" not in css


async def test_the_policy_is_sent_and_the_style_is_where_the_page_looks_for_it(shown: Shown) -> None:
    (link,) = shown.page.all("link")
    for path, content_type in (("/docs", "text/html"), ("/" + link.attributes["href"], "text/css")):
        response = await shown.client.get(path)
        assert response.status == 200
        assert response.content_type == content_type
        assert response.headers["Content-Security-Policy"] == CSP
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_it_is_small_and_packed_for_those_who_take_it_so(shown: Shown) -> None:
    async with TestClient(shown.client.server, auto_decompress=False) as client:
        packed = await client.get("/docs", headers={"Accept-Encoding": "gzip"})
        plain = await client.get("/docs", headers={"Accept-Encoding": "identity"})
        body = await packed.read()
        assert packed.headers["Content-Encoding"] == "gzip"
        assert len(body) < 100_000
        assert "Content-Encoding" not in plain.headers
        assert gzip.decompress(body) == await plain.read() == shown.html.encode()


async def test_headings_go_down_one_level_at_a_time(shown: Shown) -> None:
    levels = [int(heading.tag[1]) for heading in shown.page.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


async def test_landmarks_tables_and_links_can_be_found_without_seeing(shown: Shown) -> None:
    (html,) = shown.page.all("html")
    assert html.attributes["lang"] == "en"
    assert [len(shown.page.all(tag)) for tag in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]
    first = shown.page.all("a")[0]
    assert first.words.startswith("Skip")
    ids = [element.attributes["id"] for element in shown.page.all() if "id" in element.attributes]
    assert len(set(ids)) == len(ids)
    for link in shown.page.all("a"):
        assert link.words
        target = link.attributes["href"]
        assert not target.startswith("#") or target[1:] in ids, target
    for element in shown.page.all("section", "article"):
        assert element.attributes["aria-labelledby"] in ids
    for table in shown.page.all("table"):
        assert table.all("caption")[0].words
        assert all(header.attributes["scope"] in ("col", "row") for header in table.all("th"))


HOSTILE = "<script>alert(1)</script>`\"><img src=x onerror=alert(2)>` ' {{ 7*7 }}"


class Harmful(BaseModel):
    """<b onclick="alert(3)">bold</b>"""

    text: str = Field(description=HOSTILE, examples=[HOSTILE], pattern="<i>")


async def nothing(_: Ask[Nothing, Harmful]) -> Reply:
    return Reply(None)


def test_hostile_words_are_shown_and_do_nothing() -> None:
    made: Sequence[Route] = [
        Route(
            name="harm",
            method="POST",
            path="/api/v1/<harm>",
            scope="write",
            summary=HOSTILE,
            description=HOSTILE,
            do=nothing,
            body=Harmful,
            answer=Harmful,
        )
    ]
    described = document(HOSTILE, HOSTILE, made)
    described["components"]["responses"]["400"]["description"] = HOSTILE
    html = render(described)
    page = Reader(html).root
    assert not page.all("script", "img", "b", "i", "harm")
    assert "49" not in html
    assert "<script>alert(1)</script>" in page.text
    for element in page.all():
        assert not [name for name in element.attributes if name.startswith("on")]
    (example,) = [pre.text for pre in page.all("pre") if "harm" in pre.text]
    words = shlex.split(example)
    assert json.loads(words[words.index("-d") + 1]) == {"text": HOSTILE}
