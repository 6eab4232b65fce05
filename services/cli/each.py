"""Does the same to each of some things by their ids, and says what became of which."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from services.cli.running import DONE, INTERRUPTED, LEFT, Interrupted, complain
from services.cli.showing import print_json
from shared.errors import DispatcherError, StartupError


async def each(ids: Sequence[str], act: Callable[[str], Awaitable[Any]], verb: str, *, as_json: bool) -> int:
    """Answers the exit code. One that is refused does not keep the others from being done; `act` raises for it."""
    done: list[str] = []
    refused: list[dict[str, str]] = []
    code = DONE
    for one in dict.fromkeys(ids):
        try:
            await act(one)
            done.append(one)
        except StartupError:  # it would be the same for the others
            if done or refused:
                _tell(done, refused, verb, as_json=as_json)
            raise
        except DispatcherError as error:
            code = INTERRUPTED if isinstance(error, Interrupted) else LEFT
            refused.append({"id": one, "error": str(error)})
        if code == INTERRUPTED:
            break
    _tell(done, refused, verb, as_json=as_json)
    return code


def _tell(done: Sequence[str], refused: Sequence[dict[str, str]], verb: str, *, as_json: bool) -> None:
    if as_json:
        print_json({verb: done, "refused": refused})
        return
    for one in done:
        print(f"{one} {verb}")
    for failure in refused:
        complain(f"{failure['id']}: {failure['error']}")
