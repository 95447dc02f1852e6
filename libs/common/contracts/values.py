"""Names and bounds that every service agrees on."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

GLOBAL_BOARD = "global"

# Exact in a Redis sorted set, in Lua and in JavaScript: all three count in IEEE doubles.
MAX_TOTAL = 2**53 - 1

USER_ID_PATTERN = r"^[!-~]{1,64}$"

UserId = Annotated[str, Field(pattern=USER_ID_PATTERN, examples=["alice"])]
"""Opaque; printable ASCII, so that its order by bytes is the same in SQL, Redis and Python."""

# PostgreSQL stores no NUL, and nobody should read the other control characters; lines may break.
_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
TEXT_PATTERN = rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"
"""Something that can be read: text that is not blank."""

PRINTABLE_PATTERN = r"^[ -~]*$"

Total = Annotated[int, Field(ge=0, le=MAX_TOTAL, examples=[150])]


def _in_utc(moment: datetime) -> datetime:
    """Raises `ValueError` at the ends of the calendar, where a zone leads out of it."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("this is no time of the years 1 to 9999 in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time with a zone, as it is in UTC."""


class Contract(BaseModel):
    """A frozen message that ignores what it does not know: the writer may be newer than we are."""

    model_config = ConfigDict(frozen=True, extra="ignore")
