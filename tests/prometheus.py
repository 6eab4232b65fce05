"""A real Prometheus that scrapes services every second, with our rules made impatient."""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
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
    static_configs: [{{targets: {targets}}}]
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
    http: ClientSession

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
async def prometheus(
    folder: Path, urls: Sequence[str] = (), limits: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Prometheus]:
    """It has scraped each of these when it is there, so that what happens next is seen as a change.

    `limits`: what of the rules to replace by what.
    """
    address, rules, config = f"127.0.0.1:{free_port()}", folder / "rules.yml", folder / "prometheus.yml"
    rules.write_text(impatient(RULES.read_text(), limits))
    targets = [url.removeprefix("http://") for url in urls]
    config.write_text(_CONFIG.format(rules=rules, targets=json.dumps(targets)))
    command = [
        *(str(tool("prometheus", package="prometheus")), f"--config.file={config}"),
        *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"),
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)  # noqa: ASYNC220 - it returns at once
    try:
        async with ClientSession() as http:
            made = Prometheus(f"http://{address}", http)
            await until(lambda: _scraped(made, len(urls)), 30, log.read_text)
            yield made
    finally:
        process.kill()
        process.wait()


async def _scraped(made: Prometheus, targets: int) -> bool:
    try:
        return bool(await made.query(f"count(up == 1) == {targets}" if targets else "vector(1)"))
    except (ClientError, AssertionError):  # not ready
        return False
