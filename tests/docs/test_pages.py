"""What the pages say can be checked without running anything: links, marks, JSON, names of commands and settings."""

import re
import shlex
from collections.abc import Iterator
from importlib import import_module

import pytest
import typer
import yaml
from prometheus_client import REGISTRY
from pydantic import TypeAdapter

from deploy.asyncapi import Posted
from services.cli.__main__ import app
from services.ingest.http import Accepted
from shared.contracts.event import Published
from shared.settings import ALL_SETTINGS
from tests.docs.pages import PAGES, PROJECT, Block, Page
from tests.e2e.test_run import ENV_NAMES

LANGUAGES = {"sh", "python", "js", "json", "yaml", "text"}
MODELS = {"Event": Published, "Posted": Posted, "Accepted": Accepted}
OUR_CLI = re.compile(r"python -m services\.cli ([^`\n]*)")
OUTSIDE = ("http://", "https://")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@every_page
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links():
        if link.startswith(OUTSIDE):
            continue
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), link
        if anchor:
            assert anchor in Page(target).anchors(), link


@every_page
def test_every_block_has_a_language_and_what_is_not_run_a_reason(page: Page) -> None:
    for block in page.blocks():
        assert block.language in LANGUAGES, block
        assert "not run by the tests" not in block.text or block.not_run_because, block
        assert "not run" not in block.kind or block.not_run_because, f"{block}: no reader sees that it is not run"


@every_page
def test_every_json_example_is_one_of_what_it_stands_for(page: Page) -> None:
    for block in page.blocks("json"):
        assert block.kind in MODELS, f"{block}: name its model behind `json`, one of {', '.join(MODELS)}"
        TypeAdapter(MODELS[block.kind]).validate_json(block.text)


@every_page
def test_every_yaml_example_can_be_read(page: Page) -> None:
    for block in page.blocks("yaml"):
        assert yaml.safe_load(block.text)


def commands(page: Page) -> Iterator[tuple[str, list[str]]]:
    """Calls of the operators' commands, in blocks and in running text."""
    for text in [*(block.text for block in page.blocks("sh")), *page.code()]:
        for match in OUR_CLI.finditer(text):
            yield match[0], shlex.split(match[1], comments=True)


@every_page
def test_commands_exist_with_the_options_that_are_named(page: Page) -> None:
    for whole, words in commands(page):
        command = typer.main.get_command(app)
        while isinstance(command, typer.core.TyperGroup) and words and not words[0].startswith("-"):
            assert words[0] in command.commands, whole
            command = command.commands[words.pop(0)]
        known = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
        named = {word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1}
        assert named <= known | {"--help"}, whole


@every_page
def test_settings_and_metrics_exist_by_the_names_that_are_given(page: Page) -> None:
    settings = {f"DISPATCHER_{name.upper()}" for one in ALL_SETTINGS for name in one.model_fields}
    named = set(re.findall(r"\bDISPATCHER_[A-Z0-9_]*[A-Z0-9]\b", page.text))
    assert named <= settings | set(ENV_NAMES) | {"DISPATCHER_TEST_SERVERS"}
    for service in ("ingest", "fanout", "delivery", "scheduler"):
        import_module(f"services.{service}.metrics")
    counted = {family.name for family in REGISTRY.collect()}
    for metric in re.findall(r"\bdispatcher_[a-z_]+\b", page.text):
        assert re.sub(r"_(total|bucket|count|sum)$", "", metric) in counted, metric


def test_a_mark_is_seen_by_the_reader() -> None:
    def block(text: str) -> Block:
        return Block("page", "section", 1, "sh", "", text)

    assert block("# not run by the tests: needs a cluster\nkubectl").not_run_because == "needs a cluster"
    assert block("kubectl\n# not run by the tests: needs a cluster").not_run_because is None


def test_a_page_s_parts_are_found() -> None:
    page = Page(PROJECT / "docs/receivers.md")
    assert {"verify-it", "missed-something"} <= page.anchors()
    assert {block.language for block in page.blocks()} == {"sh", "python", "js", "json"}
    assert "#order-and-duplicates" in page.links()
    assert {block.section for block in page.blocks("python", "js")} == {"Verify it"}
