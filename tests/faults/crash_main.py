"""Starts services that can be killed at a chosen point, as forks of one process that has imported everything.

Every point of `points.py` is compiled into the services' own modules as a look at one byte of a file that the process
shares with the test: "armed" kills the process there and then (SIGKILL: nothing is flushed, nothing is closed); else
the byte notes that execution came by. Commands are lines of JSON on standard input:
`{"start": process, "env": {…}, "points": file, "log": file}` answers the process id, `{"status": pid}` answers null
while it lives, else its exit status. The end of the input ends every fork.
"""

import ast
import contextlib
import importlib
import importlib.machinery
import json
import mmap
import os
import runpy
import signal
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tests.faults.points import PATHS, PROJECT, points_of

PASSED, ARMED = 1, 2
_HIT = "__hit__"
_bytes: mmap.mmap | None = None  # of the process that this fork became
_process = ""


def _hit(numbers: dict[str, int], value: Any = None) -> Any:
    """Called at every point; which number it has depends on the process that runs the code."""
    number = numbers.get(_process)
    if number is not None and _bytes is not None:
        if _bytes[number] == ARMED:
            os.kill(os.getpid(), signal.SIGKILL)
        _bytes[number] = PASSED
    return value


class _Instrument(ast.NodeTransformer):
    """Puts a call of `_hit` at every point of one file."""

    def __init__(self, file: str) -> None:
        self._numbers: dict[tuple[int, int, str], dict[str, int]] = {}
        for point in (point for process in PATHS for point in points_of(process) if point.file == file):
            place = (point.line, point.column, point.moment)
            self._numbers.setdefault(place, {})[point.process] = point.number

    def visit_Await(self, node: ast.Await) -> ast.expr:
        """`await x` → `__hit__(after, (__hit__(before), await x)[1])`."""
        before, after = self._hit(node, "before"), self._hit(node, "after")
        self.generic_visit(node)
        pair = ast.Tuple(elts=[before, node], ctx=ast.Load())
        after.args.append(ast.Subscript(value=pair, slice=ast.Constant(1), ctx=ast.Load()))
        return after

    def visit_AsyncWith(self, node: ast.AsyncWith) -> list[ast.stmt]:
        return self._around(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> list[ast.stmt]:
        return self._around(node)

    def _around(self, node: ast.AsyncWith | ast.AsyncFor) -> list[ast.stmt]:
        """Before, as first statement of the body, and however it is left."""
        before, inside, after = (ast.Expr(self._hit(node, moment)) for moment in ("before", "inside", "after"))
        self.generic_visit(node)
        node.body.insert(0, inside)
        return [before, ast.Try(body=[node], handlers=[], orelse=[], finalbody=[after])]

    def _hit(self, node: ast.Await | ast.AsyncWith | ast.AsyncFor, moment: str) -> ast.Call:
        numbers = self._numbers[node.lineno, node.col_offset, moment]
        keys: list[ast.expr | None] = [ast.Constant(process) for process in numbers]
        argument = ast.Dict(keys=keys, values=[ast.Constant(number) for number in numbers.values()])
        return ast.Call(func=ast.Name(id=_HIT, ctx=ast.Load()), args=[argument], keywords=[])


class _Loader(SourceFileLoader):
    """Compiles from the source every time: a cached module would have no points."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        file = str(Path(path).relative_to(PROJECT))
        tree = ast.fix_missing_locations(_Instrument(file).visit(ast.parse(self.get_data(path))))
        return compile(tree, path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, _HIT, _hit)
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def __init__(self) -> None:
        self._files = {file[:-3].replace("/", "."): file for files in PATHS.values() for file in files}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._files.get(fullname)
        if file is None:
            return None
        location = str(PROJECT / file)
        return importlib.machinery.ModuleSpec(fullname, _Loader(fullname, location), origin=location)


def _import_everything() -> None:
    sys.meta_path.insert(0, _Finder())
    for process in PATHS:
        importlib.import_module(f"services.{process}.__main__")
        del sys.modules[f"services.{process}.__main__"]  # or runpy warns when it runs it


def _become(command: dict[str, Any]) -> None:
    """In a fork: the service, with its points, until it ends."""
    global _bytes, _process
    os.environ.clear()
    os.environ.update(command["env"])
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    with open(command["points"], "r+b") as file:
        _bytes = mmap.mmap(file.fileno(), 0)
    _process = command["start"]
    _poison(os.environ.get("DISPATCHER_POISON", "").encode())
    runpy.run_module(f"services.{_process}", run_name="__main__", alter_sys=True)


def _poison(mark: bytes) -> None:
    """A worker dies whenever it is about to send a body that holds `mark`."""
    from services.delivery.sender import Sender

    exchange = Sender._exchange

    async def deadly(self: Sender, url: Any, body: bytes, headers: Any) -> Any:
        if mark and mark in body:
            os.kill(os.getpid(), signal.SIGKILL)
        return await exchange(self, url, body, headers)

    Sender._exchange = deadly  # type: ignore[method-assign]


def _serve() -> None:
    """Forks on demand, until standard input ends."""
    alive: set[int] = set()
    for line in sys.stdin:
        command = json.loads(line)
        answer: int | None
        if "start" in command:
            answer = os.fork()
            if answer == 0:
                try:
                    _become(command)
                finally:
                    os._exit(1)
            alive.add(answer)
        else:
            pid, status = os.waitpid(command["status"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
            alive.discard(pid)
        print(json.dumps(answer), flush=True)
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    _import_everything()
    print(json.dumps("ready"), flush=True)
    _serve()
