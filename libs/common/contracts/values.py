"""Names and bounds that every service agrees on."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

GLOBAL_BOARD = "global"

# Exact in a Redis sorted set, in Lua and in JavaScript: all three count in IEEE doubles.
MAX_TOTAL = 2**53 - 1

USER_ID_PATTERN = r"^[!-~]{1,64}$"

UserId = Annotated[str, Field(pattern=USER_ID_PATTERN, examples=["alice"])]
"""Opaque; printable ASCII, so that its order by bytes is the same in SQL, Redis and Python."""

Total = Annotated[int, Field(ge=0, le=MAX_TOTAL, examples=[150])]


class Contract(BaseModel):
    """A frozen message that ignores what it does not know: the writer may be newer than we are."""

    model_config = ConfigDict(frozen=True, extra="ignore")
