"""Runs schemathesis against a service, and reads what it did from its report."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import ADMIN_KEY

CONFIG = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True)
class Case:
    """One request and its answer. `link` led to it, if one did: the operation that has it, and its name."""

    operation: str  # "GET /api/v1/webhooks/{webhook_id}"
    valid: bool
    status: int
    error: str  # the words of a refusal
    link: tuple[str, str] | None

    @property
    def done(self) -> bool:
        return 200 <= self.status < 300

    @property
    def reached_the_service(self) -> bool:
        """Past every refusal of a request as such: of valid ones only what they ask for is not there or in conflict."""
        return self.done or (self.valid and self.status in (404, 409))


async def fuzz(url: str, key: str, folder: Path, *options: str, parameters: str = "") -> list[Case]:
    """Every check of schemathesis against a service; fails with its own words. `parameters`: more lines of TOML."""
    config, report = _prepared(folder, parameters)
    arguments = ("run", f"{url}/openapi.json", f"--header=X-API-Key: {key}", *options)
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("st"),
        f"--config-file={config}",
        *arguments,
        f"--report-ndjson-path={report}",
        "--no-color",
        cwd=folder,
        env={**os.environ, "OPERATOR_KEY": ADMIN_KEY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode(errors="replace")[-20_000:]
    return list(_cases(report))


def _prepared(folder: Path, parameters: str) -> tuple[Path, Path]:
    folder.mkdir()
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG.read_text() + parameters)
    return config, folder / "report.ndjson"


def _cases(report: Path) -> Iterator[Case]:
    for line in report.read_text().splitlines():
        yield from _of_event(json.loads(line))


def _of_event(event: dict[str, Any]) -> Iterator[Case]:
    recorder = event.get("ScenarioFinished", {}).get("recorder", {})
    for name, recorded in recorder.get("cases", {}).items():
        case, transition = recorded["value"], recorded.get("transition")
        response = recorder["interactions"][name]["response"]
        yield Case(
            operation=f"{case['method']} {case['path']}",
            valid=case["meta"]["generation"]["mode"] == "positive",
            status=response["status_code"],
            error=_json(response).get("error", "") if response["status_code"] >= 400 else "",
            link=_link(transition["id"]) if transition else None,
        )


def _json(response: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(response["content"]["$base64"]))


def _link(transition: str) -> tuple[str, str]:
    """`POST /a -> [201] name -> GET /b`"""
    operation, name, _ = transition.split(" -> ")
    return operation, name.partition("] ")[2]
