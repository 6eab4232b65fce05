"""The runbooks, read for the commands in them."""

import re
from pathlib import Path

from deploy.local.download import PROJECT

FOLDER = PROJECT / "docs/runbooks"
NOT_RUN = "not run here"
_BLOCK = re.compile(r"^```sh *(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def path_of(alert: str) -> Path:
    return FOLDER / f"{alert}.md"


def section(alert: str, heading: str) -> str:
    [_, text] = path_of(alert).read_text().split(f"\n## {heading}\n")
    return text.split("\n## ")[0]


def commands(alert: str, heading: str) -> str:
    """As they stand there, without those that no test can run."""
    blocks = _BLOCK.findall(section(alert, heading))
    assert {mark for mark, _ in blocks} <= {"", NOT_RUN}, f"{alert}: a block is marked in another way"
    return "".join(code for mark, code in blocks if mark != NOT_RUN)
