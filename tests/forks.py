"""Operators' commands without the second that Python takes to import them: forked from a process that has done so.

`python -m tests.forks SOCKET` is that process; `python tests/forks.py SOCKET ARGUMENT…` stands for one command, with
its own pid, standard streams, environment, signals and exit code.
"""

import json
import os
import signal
import socket
import struct
import sys
from typing import Any

NUMBER = struct.Struct("i")


def serve(path: str) -> None:
    from services.cli.__main__ import app  # the other side of this file is quick without it

    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("ready", flush=True)
        while True:
            caller, _ = door.accept()
            if os.fork() == 0:
                os._exit(_attend(caller, app))
            caller.close()


def _attend(caller: socket.socket, app: Any) -> int:
    """For one command: runs it in a process of its own, and tells its pid and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(caller, 1, 3)
    asked = json.loads(b"".join(iter(lambda: caller.recv(65_536), b"")))
    pid = os.fork()
    if pid == 0:
        caller.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        _run(app, asked)
    for stream in streams:
        os.close(stream)
    caller.sendall(NUMBER.pack(pid))
    caller.sendall(NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    return 0


def _run(app: Any, asked: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(asked["env"])
    code: Any = 1
    try:
        app(asked["arguments"], prog_name="python -m services.cli")
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def stand_for(path: str, arguments: list[str]) -> int:
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        socket.send_fds(server, [b"x"], [0, 1, 2])
        server.sendall(json.dumps({"arguments": arguments, "env": dict(os.environ)}).encode())
        server.shutdown(socket.SHUT_WR)
        pid: int = NUMBER.unpack(server.recv(NUMBER.size, socket.MSG_WAITALL))[0]
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda got, _: os.kill(pid, got))
        code: int = NUMBER.unpack(server.recv(NUMBER.size, socket.MSG_WAITALL))[0]
        return code


if __name__ == "__main__":
    if __spec__ is not None:
        serve(sys.argv[1])
    sys.exit(stand_for(sys.argv[1], sys.argv[2:]))
