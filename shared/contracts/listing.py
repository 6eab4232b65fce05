"""Lists, newest first, and the cursors that lead through them: a position behind which the next page begins."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from shared.contracts.event import TenantId
from shared.contracts.moment import Written
from shared.times import EPOCH, at

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
_LAST = datetime(9000, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Position(NamedTuple):
    """Of one entry in a list; entries of one moment are ordered by id."""

    created_at: datetime
    id: str

    def cursor(self) -> str:
        return f"{(self.created_at - EPOCH) // _MILLISECOND:x}~{self.id}"


def position(cursor: str | None) -> Position | None:
    """Where a valid cursor points to."""
    if cursor is None:
        return None
    moment, _, identity = cursor.partition("~")
    return Position(at(int(moment, 16) / 1000), identity)


def _decimal(value: Any) -> Any:
    """From a query string only digits make a number: no sign, no white space, no `1e2`."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) < 10):
        raise ValueError("a number is needed")
    return value


def _storable(moment: datetime) -> datetime:
    """Moments that no database can hold are as good as the first and the last that it can."""
    try:
        return min(max(moment.astimezone(UTC), EPOCH), _LAST)
    except OverflowError:
        return EPOCH if moment.year == 1 else _LAST


Cursor = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{1,11}~[\x21-\x7e]{1,400}$"),
    Field(description="`next_cursor` of the page before"),
]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="entries of one page"), BeforeValidator(_decimal)]
Moment = Annotated[Written, AfterValidator(_storable)]
TenantWanted = Annotated[TenantId, Field(description="needed with the operator's key, whose own tenant is none")]


class Query(BaseModel):
    """Parameters of a request: what is not among them is refused, so that a slip of the pen is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Listing(Query):
    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None

    @property
    def behind(self) -> Position | None:
        return position(self.cursor)


class TenantListing(Listing):
    tenant_id: TenantWanted | None = None


NextCursor = Annotated[str | None, Field(description="for the next page; null on the last one")]
"""Of every page the last field."""
