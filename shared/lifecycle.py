"""Runs a service: starts its parts in order, serves its HTTP, waits for a signal, stops within a deadline."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
import uvloop
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, disable_created_metrics, generate_latest

from shared import logs
from shared.checks import Check, failed
from shared.errors import DispatcherError, StartupError
from shared.metrics import running
from shared.settings import DrainSettings, LogSettings, load
from shared.web import answer_malformed_requests_alike

log = structlog.get_logger()
_failures: list[BaseException] = []
_PULSE_SECONDS = 5


class Part(Protocol):
    """Something with a life. `start` and `stop` are each called once; `stop` comes by `deadline` (loop time)."""

    async def start(self) -> None: ...

    async def stop(self, deadline: float) -> None: ...


@dataclass(kw_only=True)
class Service:
    """Parts are started in this order and stopped in the reverse; a check raises when its dependency is away."""

    name: str
    host: str
    port: int
    parts: Sequence[Part]
    checks: dict[str, Check]
    app: web.Application = field(default_factory=web.Application)


def _health(service: Service) -> list[web.RouteDef]:
    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive", "service": service.name})

    async def readyz(_: web.Request) -> web.Response:
        away = await failed(service.checks)
        body = {"status": "not ready" if away else "ready", "service": service.name, "failed": away}
        return web.json_response(body, status=503 if away else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]


class Pulse:
    """The part that keeps asking, for the metrics: so that who scrapes them waits for no dependency."""

    def __init__(self, checks: dict[str, Check]) -> None:
        self._checks = checks
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = background(self._run())

    async def stop(self, deadline: float) -> None:
        await cancel(self._running)

    async def _run(self) -> None:
        while True:
            await failed(self._checks)
            await asyncio.sleep(_PULSE_SECONDS)


class HttpServer:
    """The part that listens. It starts last, so that a port that answers means a service that started."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        service = self._service
        service.app.add_routes(_health(service))
        self._runner = web.AppRunner(service.app, access_log=None, shutdown_timeout=2)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, service.host, service.port).start()
        except OSError as error:
            what = f"cannot listen on {service.host}:{service.port} ({error.strerror})"
            raise StartupError(f"{what}; set DISPATCHER_{service.name.upper()}_PORT") from None
        log.info("service.listening", address="http://{}:{}".format(*self._runner.addresses[0][:2]))

    async def stop(self, deadline: float) -> None:
        if self._runner:
            await self._runner.cleanup()


async def serve(services: Sequence[Service], stop_seconds: float, stopped: asyncio.Event) -> None:
    """Run services until `stopped` is set. What was started is stopped, also when a start fails."""
    started: list[tuple[str, Part]] = []
    try:
        for service in services:
            running(service.name)
            for part in (*service.parts, Pulse(service.checks), HttpServer(service)):
                started.append((service.name, part))
                await part.start()
            log.info("service.started", started=service.name)
        await stopped.wait()
    finally:
        await _stop(started, stop_seconds)


async def _stop(started: list[tuple[str, Part]], stop_seconds: float) -> None:
    deadline = asyncio.get_running_loop().time() + stop_seconds
    for name, part in reversed(started):
        try:
            async with asyncio.timeout_at(deadline + 2):
                await part.stop(deadline)
        except Exception as error:  # one part's trouble must not keep the others from stopping
            log.warning("service.stop_failed", stopping=name, part=type(part).__name__, error=repr(error))
    log.info("service.stopped")


def run(name: str, *builders: Callable[[], Service]) -> None:
    """Main of a service process: exit code 0 after a signal, 1 after a failure of ours, 2 when it cannot start."""
    try:
        with logs.to_stdout(load(LogSettings).log_level, name):
            answer_malformed_requests_alike()
            disable_created_metrics()  # type: ignore[no-untyped-call]  # twice the series, for times that nobody asks for
            stop_seconds = load(DrainSettings).stop_seconds
            uvloop.run(_main(builders, stop_seconds))
    except DispatcherError as error:
        _failures.append(error)
    if _failures:
        sys.exit(max(_exit_code(name, error) for error in _failures))


def _exit_code(name: str, error: BaseException) -> int:
    if isinstance(error, DispatcherError):
        print(f"{name}: {error}", file=sys.stderr)
    return 2 if isinstance(error, StartupError) else 1


async def _main(builders: Sequence[Callable[[], Service]], stop_seconds: float) -> None:
    _collect_less_often()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await serve([build() for build in builders], stop_seconds, stopped)


def _collect_less_often() -> None:
    """Python's defaults spend a tenth of a busy service's time looking for cycles: among modules, which never go, and
    among the objects of requests under way, which go by themselves."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def background(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """A task that nobody awaits. One that ends by an error ends the process: half alive is worse than restarted."""
    task = asyncio.create_task(work)
    task.add_done_callback(_end_process_unless_expected)
    return task


def was_cancelled(task: "asyncio.Task[Any] | None" = None) -> bool:
    """Whether somebody cancelled the task; libraries also raise CancelledError when nobody did."""
    task = task or asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _end_process_unless_expected(task: "asyncio.Task[None]") -> None:
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if error is None or (task.cancelled() and was_cancelled(task)):
        return
    if not isinstance(error, StartupError):  # its one line says it all; whatever else ends a task is a fault of ours
        log.critical("service.task_failed", task=repr(task.get_coro()), exc_info=error)
    _failures.append(error)
    signal.raise_signal(signal.SIGTERM)


async def cancel(*tasks: "asyncio.Task[Any] | None") -> None:
    """Cancel background tasks and wait until they are gone."""
    alive = [task for task in tasks if task and not task.done()]
    for task in alive:
        task.cancel()
    for task in alive:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
