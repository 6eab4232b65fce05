"""Can RabbitMQ be used, and is everything there that has to be?"""

from collections.abc import AsyncIterator, Sequence
from shlex import quote

from yarl import URL

from services.cli.checks.finding import Finding, failed, ok, unchecked, warning
from services.cli.checks.servers import address
from services.cli.checks.tls import certificate_of
from shared import wiring
from shared.broker.inspection import Inspection, Trouble, trouble
from shared.broker.topology import QUEUES, WORK
from shared.errors import DependencyUnavailable, StartupError
from shared.presence import Found, Presence

_CHECK = "broker"
_QUEUES, _CONSUMERS, _PUBLISHES = "broker queues", "broker consumers", "broker publishes"
_BEHIND = (_QUEUES, _CONSUMERS, _PUBLISHES)
_OLDEST, _NEWEST = (3, 10), (4, 3)
_CONFIRM_SECONDS = 3
MIGRATE = "python -m services.cli migrate"


async def check() -> AsyncIterator[Finding]:
    try:
        url = wiring.amqp_url()
    except StartupError as error:
        yield failed(_CHECK, str(error), "set DISPATCHER_AMQP_URL")
        for one in _BEHIND:
            yield unchecked(one, "DISPATCHER_AMQP_URL cannot be used")
        return
    try:
        async with Inspection(url=url, name="cli") as inspection:
            async for finding in _reached(url, inspection):
                yield finding
    except DependencyUnavailable as error:
        yield failed(_CHECK, *_unreached(URL(url), error))
        for one in _BEHIND:
            yield unchecked(one, "RabbitMQ cannot be used: see `broker`")
    async for finding in certificate_of("broker", URL(url), URL(url).scheme == "amqps", 5671):
        yield finding


async def _reached(url: str, inspection: Inspection) -> AsyncIterator[Finding]:
    yield _version(inspection.version, url)
    found = await inspection.look()
    for one in found:
        if one.presence is not Presence.THERE:
            yield await _wrong(one, inspection, URL(url))
    if all(one.presence is Presence.THERE for one in found):
        yield ok(_QUEUES, f"{len(found)} queues and exchanges are as they have to be")
    async for finding in _consumers(inspection, found):
        yield finding
    yield await _publishes(inspection)  # last: in an alarm the connection is of no use after it


async def _publishes(inspection: Inspection) -> Finding:
    if await inspection.takes_publishes(_CONFIRM_SECONDS):
        return ok(_PUBLISHES, "a message was confirmed")
    found = f"nothing was confirmed within {_CONFIRM_SECONDS} s: an alarm for memory or disk keeps publishers out"
    return failed(_PUBLISHES, found, "rabbitmq-diagnostics alarms; free disk or memory")


def _version(version: str, url: str) -> Finding:
    where = f"RabbitMQ {version} at {address(url)}"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _OLDEST:
        return failed(_CHECK, f"{where} is older than 3.10", "update RabbitMQ to 3.10 or later")
    if numbers > _NEWEST:
        return warning(_CHECK, f"{where} is newer than the 4.3 that this was made for", "RabbitMQ 4.3 is known to do")
    return ok(_CHECK, where)


def _unreached(url: URL, error: DependencyUnavailable) -> tuple[str, str]:
    """What is wrong, and what to do."""
    user, vhost = quote(url.user or "guest"), quote(_vhost(url))
    match trouble(error):
        case Trouble.LOGIN:
            return (
                f"RabbitMQ at {address(str(url))} refuses the user {url.user!r:.80} with this password",
                f"rabbitmqctl change_password {user} PASSWORD, or the right one in DISPATCHER_AMQP_URL",
            )
        case Trouble.VHOST:
            return (
                f"the virtual host {_vhost(url)!r:.80} does not exist, or {url.user!r:.80} has no rights there",
                f"rabbitmqctl add_vhost {vhost}; rabbitmqctl set_permissions -p {vhost} {user} '.*' '.*' '.*'",
            )
        case Trouble.TLS:
            return (
                f"no TLS with {address(str(url))}: {error}",
                "name the authority of its certificate: amqps://…?cafile=/path/ca.pem in DISPATCHER_AMQP_URL; "
                "without TLS: amqp://",
            )
        case Trouble.AWAY:
            return (
                f"no answer from {address(str(url))}: {error}",
                "start RabbitMQ, or give its address in DISPATCHER_AMQP_URL",
            )


def _vhost(url: URL) -> str:
    return url.path.removeprefix("/") or "/"


async def _wrong(found: Found, inspection: Inspection, url: URL) -> Finding:
    check = f"broker {found.what}"
    if found.presence is Presence.MISSING:
        return failed(check, "is missing", MIGRATE)
    kind, _, name = found.what.partition(" ")
    if kind == "exchange":
        return failed(check, str(found.difference), f"delete the exchange in RabbitMQ's management, then {MIGRATE}")
    ready, _ = await inspection.counted(name)
    empty = f"let it run empty, as {ready} messages are in it; then " if ready else ""
    delete = f"{empty}rabbitmqctl delete_queue -p {quote(_vhost(url))} {name}; then {MIGRATE}"
    if found.presence is Presence.FORMER:
        return warning(check, f"is of a former version, and used as it is ({found.difference})", delete)
    return failed(check, f"has other arguments: {found.difference}", f"stop the services; {delete}")


async def _consumers(inspection: Inspection, found: Sequence[Found]) -> AsyncIterator[Finding]:
    """Of the queues that there are."""
    missing = {one.what for one in found if one.presence is Presence.MISSING}
    there = [queue.name for queue in QUEUES if queue.name in WORK and f"queue {queue.name}" not in missing]
    idle = []
    for name in there:
        ready, consumers = await inspection.counted(name)
        if not consumers:
            idle.append(name)
        if ready and not consumers:
            yield failed(_CONSUMERS, f"{ready} messages wait in {name}, and nobody takes them", _start(name))
    if idle:
        yield warning(_CONSUMERS, f"nobody takes from {', '.join(idle)}", _start(*idle))
    elif there:
        yield ok(_CONSUMERS, "every queue of work has some")


def _start(*queues: str) -> str:
    services = {"fanout" if name == "fanout" else "delivery" for name in queues}
    return "start " + " and ".join(f"python -m services.{name}" for name in sorted(services))
