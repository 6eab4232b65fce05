"""Are there keys for what is stored encrypted, and do they open all of it?"""

from collections.abc import AsyncIterator

from services.cli.checks.finding import Finding, failed, ok, unchecked
from shared import wiring
from shared.errors import DispatcherError, StartupError
from shared.store.key_use import KeyUse
from shared.store.mongo import misconfigured_if_refused
from shared.store.secrets import SecretBox

_CHECK = "secret keys"
_STORED = "stored secrets"


async def check() -> AsyncIterator[Finding]:
    try:
        box = wiring.secret_box()
    except StartupError as error:
        yield failed(
            _CHECK, _what(error), "python -m services.cli secrets new-key, and put it into DISPATCHER_SECRET_KEYS"
        )
        yield unchecked(_STORED, "there are no keys to open them with")
        return
    yield ok(_CHECK, f"{', '.join(box.ids)}; {box.first} encrypts")
    mongo = wiring.mongo()
    try:
        async with misconfigured_if_refused():
            async for finding in _stored(KeyUse(mongo), box):
                yield finding
    except DispatcherError:
        yield unchecked(_STORED, "MongoDB cannot be read: see `store`")
    finally:
        await mongo.stop(0)


async def _stored(use: KeyUse, box: SecretBox) -> AsyncIterator[Finding]:
    used = await use.in_use()
    unknown = [key for key in used if key not in box.ids]
    for key in unknown:
        number = await use.webhooks_with(key)
        yield failed(
            _STORED,
            f"{number} webhooks hold what was encrypted with key {key!r:.80}, which is not configured",
            f"add {key}:… to DISPATCHER_SECRET_KEYS, from where keys are kept; `secrets re-encrypt` does away with it",
        )
    unopened = await use.unopened(box, [key for key in used if key in box.ids])
    for key in unopened:
        yield failed(
            _STORED,
            f"key {key!r:.80} has another value than the one that encrypted",
            f"give {key} its former value in DISPATCHER_SECRET_KEYS, and a new key another id",
        )
    if not unknown and not unopened:
        yield ok(_STORED, f"open with {', '.join(used)}" if used else "there are none")


def _what(error: StartupError) -> str:
    return str(error).partition("; make one with")[0]
