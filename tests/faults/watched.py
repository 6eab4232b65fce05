"""A site that a real Prometheus watches by our rules, and whose operator follows the runbooks to the letter."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.download import PROJECT
from tests.cluster import Cluster, Receiver
from tests.cluster import until as wait_until
from tests.faults.link import Link
from tests.prometheus import Prometheus
from tests.runbooks import commands
from tests.tools import tool


@dataclass
class Followed:
    """A remedy's commands as a process: the last of them may be a service, which runs until the site's end."""

    script: str
    log: Path
    process: "subprocess.Popen[bytes]"

    async def is_done(self) -> None:
        assert await asyncio.to_thread(self.process.wait, 60) == 0, self

    def has_not_failed(self) -> bool:
        return self.process.poll() in (None, 0)

    def __str__(self) -> str:
        return f"{self.script}\nended with {self.process.returncode}:\n{self.log.read_text()[-2_000:]}"


@dataclass
class Watched:
    services: Cluster
    endpoint: Receiver
    judge: Prometheus
    link: Link
    followed: dict[str, Followed] = field(default_factory=dict)

    async def until_it_fires(self, alert: str) -> None:
        await self.until(lambda: self._firing(alert), f"{alert} does not fire")

    async def until_it_is_quiet(self, alert: str) -> None:
        async def quiet() -> bool:
            for one in self.followed.values():
                assert one.has_not_failed(), one
            return not await self._firing(alert)

        await self.until(quiet, f"{alert} fires still")

    async def is_quiet(self, alert: str) -> bool:
        return not await self._firing(alert)

    async def _firing(self, alert: str) -> bool:
        return bool(await self.judge.query(f'ALERTS{{alertname="{alert}"}}'))

    async def until(self, condition, what: str) -> None:
        await wait_until(condition, 60, lambda: f"{what}\n{self.services.logs(1_000)}", every=0.2)

    async def look(self, alert: str, env: Mapping[str, str]) -> None:
        """What the runbook looks at can be looked at; what is seen may be a failure."""
        looks = [self._start(command, env) for command in commands(alert, "Look").splitlines()]
        for one in looks:
            assert await asyncio.to_thread(one.process.wait, 60) in (0, 1), one

    def follow(self, alert: str, env: Mapping[str, str]) -> Followed:
        """The runbook's remedy."""
        self.followed[alert] = self._start(commands(alert, "Remedy"), env)
        return self.followed[alert]

    def end(self, alert: str) -> None:
        """What its remedy started."""
        one = self.followed.pop(alert)
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()

    def _start(self, script: str, env: Mapping[str, str]) -> Followed:
        log = self.services.folder / f"followed-{len(list(self.services.folder.glob('followed-*')))}.log"
        programs = [Path(sys.executable).parent, tool("promtool", package="prometheus").parent]
        path = os.pathsep.join([*map(str, programs), env["PATH"]])
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", script],
                env={**env, "PATH": path, "PROMETHEUS": self.judge.url, "PYTHONPATH": str(PROJECT)},
                cwd=self.services.folder,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        return Followed(script, log, process)

    def close(self) -> None:
        for alert in list(self.followed):
            self.end(alert)


@asynccontextmanager
async def watched(services: Cluster, endpoint: Receiver, judge: Prometheus, link: Link) -> AsyncIterator[Watched]:
    made = Watched(services, endpoint, judge, link)
    try:
        yield made
    finally:
        made.close()
