"""The receivers in this folder are the guide's own words."""

import os
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Where the guide is at hand, this variable says where; a checkout by itself does not hold it.
GUIDE = os.environ.get("GUIDE_TEXT", "")


def without_types(code: str) -> str:
    """TypeScript's two additions: `request: Request`, and the `!` behind a variable that may be missing."""
    return code.replace("(request: Request)", "(request)").replace("WEBHOOK_SECRET!", "WEBHOOK_SECRET")


def receivers() -> dict[str, str]:
    python = (HERE / "receiver.py").read_text()
    verbatim = re.search(r"# --- the guide, verbatim ---\n(.*)# --- end of the guide ---", python, re.DOTALL)
    assert verbatim
    scripts = {name: (HERE / name).read_text().split("\n", 1)[1] for name in ("signed.mjs", "plain.mjs")}
    return {"receiver.py": verbatim[1], **scripts}


@pytest.mark.parametrize("name", ["receiver.py", "signed.mjs", "plain.mjs"])
def test_a_receiver_is_printed_so_in_the_guide(name: str) -> None:
    if not GUIDE:
        pytest.skip("GUIDE_TEXT does not name a copy of the guide")
    assert receivers()[name].strip() in without_types(Path(GUIDE).read_text())
