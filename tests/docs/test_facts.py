"""What the pages list is all that there is: statuses, reasons, queues, collections, kinds of failure, routes."""

import re
from collections.abc import Iterable

import pytest
import typer

from services.cli.__main__ import app
from shared.broker.topology import EXCHANGES, QUEUES
from shared.contracts.delivery import Status, WaitingFor
from shared.contracts.event_types import GUIDE_TYPES
from shared.contracts.failure import ErrorKind
from shared.store.mongo import INDEXES
from tests.cluster import SECRET_KEYS
from tests.docs.pages import PAGES, PROJECT, Page
from tests.unit.test_routes_listed import served

ARCHITECTURE, PRODUCERS, RECEIVERS = (
    Page(PROJECT / f"docs/{name}.md") for name in ("architecture", "producers", "receivers")
)


def missing(page: Page, words: Iterable[str]) -> set[str]:
    """Those that it does not set as code."""
    return set(words) - set(page.code())


def test_the_architecture_names_every_status_and_what_is_waited_for() -> None:
    assert not missing(ARCHITECTURE, [*Status, *WaitingFor])


def test_the_architecture_names_every_queue_and_collection() -> None:
    assert not missing(ARCHITECTURE, [one.name for one in (*QUEUES, *EXCHANGES) if one.name != "dead-letters"])
    assert not missing(ARCHITECTURE, INDEXES)


def test_producers_are_told_every_event_type_and_receivers_every_kind_of_failure() -> None:
    assert not missing(PRODUCERS, GUIDE_TYPES)
    assert not missing(RECEIVERS, ErrorKind)


def test_every_command_of_the_operators_is_in_the_table() -> None:
    assert not missing(Page(PROJECT / "docs/operate.md"), typer.main.get_command(app).commands)


def test_routes_exist_that_pages_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCHER_SECRET_KEYS", SECRET_KEYS)
    patterns = [re.sub(r"\{\w+\}", r"[^/]+", path) for _, path in served()] + ["/api/v1/events"]
    for page in PAGES:
        for path in re.findall(r"(?<![\w…])/api/v1/[\w/{}$-]*[\w}]", page.text):
            assert any(re.fullmatch(pattern, path) for pattern in patterns), f"{page.name}: {path}"
