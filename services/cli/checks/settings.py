"""Do the settings load, and do they fit each other?"""

import difflib
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

from services.cli.checks.doubts import doubts
from services.cli.checks.finding import Finding, failed, ok, warning
from shared.settings import ALL_SETTINGS, faults

_PREFIX = "DISPATCHER_"
_CHECK = "settings"
_NOT_OURS_TO_READ = {
    "DISPATCHER_API_URL",
    "DISPATCHER_INGEST_URL",
    "DISPATCHER_TEST_SERVERS",
    "DISPATCHER_SERVERS_CACHE",
}
"""Read by scripts and tests."""
_FIELDS = {f"{_PREFIX}{name.upper()}": field for one in ALL_SETTINGS for name, field in one.model_fields.items()}


async def check() -> AsyncIterator[Finding]:
    wrong = [fault for settings in ALL_SETTINGS for fault in faults(settings)]
    for fault in wrong:
        yield failed(_CHECK, fault, _remedy(fault.partition(":")[0], os.environ))
    for name, meant in unknown(os.environ, _FIELDS):
        yield warning(_CHECK, f"{name} is no setting, and changes nothing", _renamed(name, meant))
    questionable = [] if wrong else list(doubts())
    for doubt in questionable:
        yield warning(_CHECK, doubt.found, doubt.remedy)
    if not wrong:
        given = sum(name in os.environ for name in _FIELDS)
        yield ok(_CHECK, f"all {len(_FIELDS)} can be used, {given} of them given, the others by default")


def unknown(environment: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Variables that look like ours, each with the setting that may be meant. Pure."""
    names = set(known)
    for name in sorted(environment):
        if name.startswith(_PREFIX) and name not in names | _NOT_OURS_TO_READ:
            yield name, next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.8)), None)


def _remedy(name: str, environment: Mapping[str, str]) -> str:
    if environment.get(name, "").startswith("tcp://"):
        return "Kubernetes set it for a Service of that name: enableServiceLinks: false in the pod's spec"
    field = _FIELDS.get(name)
    if field is None:
        return "see deploy/.env.example"
    default = "" if "SecretStr" in str(field.annotation) else f"; the default is {field.default}"
    return f"set {name}: {field.description}{default}"


def _renamed(name: str, meant: str | None) -> str:
    return f"set {meant} if that was meant, and unset {name}" if meant else f"unset {name}; see deploy/.env.example"
