"""Can MongoDB be used, is everything there that has to be, and do its clock and ours agree?"""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

from yarl import URL

from services.cli.checks.broker import MIGRATE
from services.cli.checks.finding import Finding, failed, ok, unchecked, warning
from services.cli.checks.servers import address, user
from services.cli.checks.tls import certificate_of
from shared import wiring
from shared.errors import StartupError, StoreUnavailable
from shared.presence import Presence
from shared.settings import StoreSettings, load
from shared.store.indexes import Indexes
from shared.store.inspection import ReplicaSet, StoreInspection, Trouble, briefly, trouble
from shared.store.mongo import MAX_OFFSET_SECONDS, Mongo, misconfigured_if_refused

_CHECK, _WRITES, _INDEXES, _DISK, _CLOCK = "store", "store writes", "store indexes", "store disk", "clock"
_BEHIND = (_WRITES, _INDEXES, _DISK, _CLOCK)
_OLDEST = 6
_LITTLE, _VERY_LITTLE = 0.15, 0.05
_NOTICEABLE_SECONDS = 1


async def check() -> AsyncIterator[Finding]:
    try:
        settings = load(StoreSettings)
    except StartupError as error:
        for one in (_CHECK, *_BEHIND):
            yield unchecked(one, f"settings cannot be used: {error}")
        return
    url, mongo = settings.mongodb_url.get_secret_value(), wiring.mongo()
    try:
        async with misconfigured_if_refused():
            async for finding in _reached(url, mongo):
                yield finding
    except (StartupError, StoreUnavailable) as error:
        yield failed(_CHECK, *_unreached(url, error))
        for one in _BEHIND:
            yield unchecked(one, "MongoDB cannot be used: see `store`")
    finally:
        await mongo.stop(0)
    async for finding in certificate_of("store", *_tls(url)):
        yield finding


async def _reached(url: str, mongo: Mongo) -> AsyncIterator[Finding]:
    """Raises StoreUnavailable and StartupError before anything was found."""
    inspection = StoreInspection(mongo)
    version, name = await inspection.version(), await inspection.set_name()
    await mongo.measure_offset()
    where = f"MongoDB {version} at {address(url)}"
    if name is None:
        yield failed(_CHECK, f"{where} is no replica set", _INITIATE)
    elif int(version.partition(".")[0]) < _OLDEST:
        yield warning(_CHECK, f"{where} is older than 6.0, which this was made for", "update MongoDB to 6.0 or later")
    else:
        yield ok(_CHECK, f"{where}, replica set {name}, with a primary")
    yield await _writes(inspection, url)
    async for finding in _indexes(mongo):
        yield finding
    yield _disk(await inspection.disk_free())
    yield _clock(mongo.offset_seconds)


async def _writes(inspection: StoreInspection, url: str) -> Finding:
    try:
        seconds = await inspection.write_seconds()
    except StoreUnavailable as error:
        return failed(
            _WRITES, f"no majority took a write: {briefly(error)}", "mongosh --eval 'rs.status()'; start what is down"
        )
    if seconds is None:
        role = '{role: "readWrite", db: "dispatcher"}'
        return failed(_WRITES, f"the user {user(url)!r:.80} may not write", f"db.grantRolesToUser(USER, [{role}])")
    members = await inspection.replica_set()
    if members and members.down:
        return _degraded(members)
    return ok(_WRITES, f"a majority has a write after {seconds * 1000:.0f} ms")


def _degraded(members: ReplicaSet) -> Finding:
    left = f"{members.up} are up and {members.majority} needed"
    return warning(_WRITES, f"{', '.join(members.down)} cannot be reached: {left}", "start it again")


async def _indexes(mongo: Mongo) -> AsyncIterator[Finding]:
    found = await Indexes(mongo).look()
    for one in found:
        if one.presence is Presence.MISSING:
            yield failed(f"store {one.what}", "is missing", MIGRATE)
        elif one.presence is Presence.OTHER:
            yield failed(f"store {one.what}", f"is another: {one.difference}", f"{MIGRATE} --replace-indexes")
    if all(one.presence is Presence.THERE for one in found):
        yield ok(_INDEXES, f"{len(found)} are as they have to be")


def _disk(free: float | None) -> Finding:
    if free is None:
        return unchecked(_DISK, "MongoDB does not say how much there is")
    found = f"{free:.0%} of the disk with the data is free"
    if free < _VERY_LITTLE:
        return failed(_DISK, found, "a larger disk, or a smaller DISPATCHER_RETENTION_DAYS")
    if free < _LITTLE:
        return warning(_DISK, found, "a larger disk, or a smaller DISPATCHER_RETENTION_DAYS")
    return ok(_DISK, found)


def _clock(offset: float) -> Finding:
    found = f"MongoDB's is {offset:+.3f} s from this machine's"
    if abs(offset) > MAX_OFFSET_SECONDS:
        return failed(_CLOCK, f"{found}: no service is ready beyond {MAX_OFFSET_SECONDS} s", _SYNCHRONISE)
    if abs(offset) > _NOTICEABLE_SECONDS:
        return warning(_CLOCK, found, _SYNCHRONISE)
    return ok(_CLOCK, found)


def _unreached(url: str, error: StartupError | StoreUnavailable) -> tuple[str, str]:
    """What is wrong, and what to do."""
    if isinstance(error, StartupError):
        return str(error), f"give address, user and options in DISPATCHER_MONGODB_URL as MongoDB knows them{_AS_ADMIN}"
    name = _replica_set(url)
    match trouble(error):
        case Trouble.NOT_IN_SET:
            return f"{address(url)} answers, and is no member of a replica set {name!r:.80}", _INITIATE
        case Trouble.NO_PRIMARY:
            return (
                f"the replica set {name!r:.80} at {address(url)} has no primary",
                "mongosh --eval 'rs.initiate()' when it is new; else start its other members, see rs.status()",
            )
        case Trouble.TLS:
            return (
                f"no TLS with {address(url)}: {briefly(error)}",
                "name the authority of its certificate: tls=true&tlsCAFile=/path/ca.pem in DISPATCHER_MONGODB_URL",
            )
        case Trouble.AWAY:
            return briefly(error), "start MongoDB, or give its address in DISPATCHER_MONGODB_URL"


def _replica_set(url: str) -> str:
    return _option(url, "replicaset") or "rs0"


def _option(url: str, name: str) -> str:
    options = {key.lower(): values[-1] for key, values in parse_qs(urlsplit(url).query).items()}
    return options.get(name, "")


def _tls(url: str) -> tuple[URL, bool, int]:
    """Of the first host: its address, and whether it is spoken to in TLS."""
    first = urlsplit(url).netloc.rpartition("@")[2].partition(",")[0]
    on = "true" in (_option(url, "tls"), _option(url, "ssl"))
    try:
        return URL(f"//{first}"), on, 27017
    except ValueError:  # judged already
        return URL(), False, 0


_INITIATE = (
    "start mongod with --replSet rs0, once: mongosh --eval 'rs.initiate()'; and DISPATCHER_MONGODB_URL=…?replicaSet=rs0"
)
_AS_ADMIN = "; db.changeUserPassword(USER, PASSWORD) sets one, authSource=admin names where users are"
_SYNCHRONISE = "timedatectl set-ntp true, on this machine and on MongoDB's"
