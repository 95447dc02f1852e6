"""Parameters of lists: a page at a time, and nothing that is not known."""

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field

from libs.common.contracts.corrections import CASE_ID_PATTERN, Order
from libs.common.contracts.values import MAX_TOTAL, USER_ID_PATTERN, UserId

MAX_PAGE = 100

Before = Annotated[int | None, Field(ge=1, le=MAX_TOTAL, description="`next` of the page before")]
UserPath = Annotated[str, Path(pattern=USER_ID_PATTERN, examples=["alice"])]
CasePath = Annotated[str, Path(pattern=CASE_ID_PATTERN, examples=["fraud-2026-11"])]


class Page(Order):
    """How much of a list, and from where."""

    limit: int = Field(default=20, ge=1, le=MAX_PAGE)
    before: Before = None


class PageOfUser(Page):
    """The same, of one user."""

    user_id: UserId | None = None


def asked(page: BaseModel) -> dict[str, str]:
    """The parameters as they go on."""
    return {
        name: str(value) for name, value in page.model_dump(mode="json", exclude_none=True).items()
    }
