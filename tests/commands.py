"""Operators' commands as processes of their own."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


async def started(
    env: Mapping[str, str], *arguments: str, stdin: int | None = None, stderr: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    """Nobody types into it, unless `stdin` is given."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", *arguments),
        env=env,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
    )


async def ended(process: asyncio.subprocess.Process, typed: bytes | None = None) -> Ended:
    """`typed` goes to its standard input, if that is a pipe."""
    out, err = await process.communicate(typed)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), (err or b"").decode())
