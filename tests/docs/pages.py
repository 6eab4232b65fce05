"""The README and the pages under `docs/` as Markdown: code blocks, headings, links, and what stands in between."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

PROJECT = Path(__file__).resolve().parents[2]
_NOT_RUN = re.compile(r"(?:#|//) not run by the tests: (.+)")


@dataclass(frozen=True)
class Block:
    """A fenced block. `kind`: what stands behind its language, such as the model of a JSON example."""

    page: str
    section: str
    line: int
    language: str
    kind: str
    text: str

    @property
    def not_run_because(self) -> str | None:
        """A reader sees it in the block's first line."""
        marked = _NOT_RUN.fullmatch(self.text.split("\n", 1)[0])
        return marked[1] if marked else None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(PROJECT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def _tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(self.text)

    def blocks(self, *languages: str) -> list[Block]:
        """In order; without `languages` all of them."""
        return [block for block in self._blocks if not languages or block.language in languages]

    @cached_property
    def _blocks(self) -> list[Block]:
        found, section = [], ""
        for before, token in self._pairs():
            if before.type == "heading_open":
                section = token.content
            if token.type in ("fence", "code_block"):
                language, _, kind = token.info.partition(" ")
                line = token.map[0] + 1 if token.map else 0
                found.append(Block(self.name, section, line, language, kind, token.content))
        return found

    def links(self) -> Iterator[str]:
        for token in self._inline("link_open"):
            yield str(token.attrs["href"])

    def code(self) -> Iterator[str]:
        """What is set as code in running text."""
        for token in self._inline("code_inline"):
            yield token.content

    def _inline(self, kind: str) -> Iterator[Token]:
        for token in self._tokens:
            yield from (child for child in token.children or () if child.type == kind)

    def anchors(self) -> set[str]:
        """As GitHub names headings."""
        headings = [after.content for before, after in self._pairs() if before.type == "heading_open"]
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def _pairs(self) -> Iterator[tuple[Token, Token]]:
        return zip(self._tokens, self._tokens[1:], strict=False)


PAGES = [Page(PROJECT / "README.md"), *map(Page, sorted((PROJECT / "docs").rglob("*.md")))]
