"""A real Prometheus that scrapes services every second, with our rules made impatient."""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aiohttp import ClientError, ClientSession

from deploy.local.download import PROJECT
from tests.cluster import free_port, until
from tests.tools import tool

RULES = PROJECT / "deploy/prometheus/rules.yml"
WINDOW = "8s"
_CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: dispatcher
    file_sd_configs: [{{files: ["{targets}"]}}]
"""


def impatient(rules: str, limits: Mapping[str, str]) -> str:
    """The same rules by shorter windows, firing at once, some with other limits: a test has no half hour."""
    rules = re.sub(r"for: \w+", "for: 0s", re.sub(r"\[\d+m\]", f"[{WINDOW}]", rules))
    for limit, lower in limits.items():
        assert rules.count(limit) == 1, limit
        rules = rules.replace(limit, lower)
    return rules


@dataclass(frozen=True)
class Prometheus:
    url: str
    targets: Path
    http: ClientSession

    async def scrape(self, *urls: str) -> None:
        """These from now on; returns when each was scraped, so that what happens next is seen as a change."""
        partial = self.targets.with_suffix(".partial")
        partial.write_text(json.dumps([{"targets": [url.removeprefix("http://") for url in urls]}]))
        partial.rename(self.targets)
        await until(lambda: self.query(f"count(up == 1) == {len(urls)}"), 30)

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Series as Prometheus answers them: `metric` (labels) and `value` (time, text)."""
        async with self.http.get(self.url + "/api/v1/query", params={"query": expression}) as response:
            answer = await response.json()
            assert answer["status"] == "success", f"{expression}: {answer}"
            found: list[dict[str, Any]] = answer["data"]["result"]
            return found

    async def numbers(self, expression: str) -> list[dict[str, Any]]:
        """Those that have one."""
        return [series for series in await self.query(expression) if series["value"][1] != "NaN"]


@asynccontextmanager
async def prometheus(folder: Path, limits: Mapping[str, str] = MappingProxyType({})) -> AsyncIterator[Prometheus]:
    """Started, and ended at the end. `limits`: what of the rules to replace by what."""
    url, rules, targets = f"127.0.0.1:{free_port()}", folder / "rules.yml", folder / "targets.json"
    rules.write_text(impatient(RULES.read_text(), limits))
    targets.write_text("[]")
    (folder / "prometheus.yml").write_text(_CONFIG.format(rules=rules, targets=targets))
    command = [
        *(str(tool("prometheus", package="prometheus")), f"--config.file={folder / 'prometheus.yml'}"),
        *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={url}"),
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)  # noqa: ASYNC220 - it returns at once
    try:
        async with ClientSession() as http:
            made = Prometheus(f"http://{url}", targets, http)
            await until(lambda: _ready(made), 30, log.read_text)
            yield made
    finally:
        process.kill()
        process.wait()


async def _ready(made: Prometheus) -> bool:
    try:
        async with made.http.get(made.url + "/-/ready") as response:
            return response.status == 200
    except ClientError:
        return False
