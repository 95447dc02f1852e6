"""What `auth` says about accounts, to their owners and to those who look after them."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from libs.common.contracts.corrections import AuditLine, Order, Why
from libs.common.contracts.values import MAX_TOTAL, Contract, UserId

MAX_GRANT_SECONDS = 86_400


class Tokens(Contract):
    """A session's tokens (RFC 6749 §5.1), and whose they are."""

    user_id: UserId
    display_name: str = Field(examples=["Alice"])
    access_token: str = Field(examples=["eyJ…"])
    token_type: str = Field(default="Bearer")
    expires_in: int = Field(description="seconds", examples=[900])
    refresh_token: str


class Account(Contract):
    """An account, as its owner sees it."""

    user_id: UserId
    display_name: str = Field(examples=["Alice"])
    roles: list[str] = Field(examples=[["player"]])


class ManagedAccount(Account):
    """
    An account, as those see it who look after accounts.

    Of a user whom only another issuer knows: no name, no roles, no `created_at`.
    """

    banned: bool
    created_at: datetime | None = Field(description="null: not registered here")


class AccountExport(ManagedAccount):
    """All that auth keeps of a person."""

    login: str
    acts: list[AuditLine] = Field(
        default_factory=list, description="acts on the account, the newest 1000"
    )


class RolesOrder(Order):
    """The roles that a user has from now on; all tokens issued before end."""

    roles: list[str] = Field(max_length=8)
    reason: Why


class GrantOrder(Order):
    """An action begins: a user may add once, so much at most, and not before so long."""

    user_id: UserId
    max_increment: Annotated[int, Field(ge=1, le=MAX_TOTAL)]
    min_elapsed_seconds: Annotated[float, Field(ge=0, le=MAX_GRANT_SECONDS)] = 0
    expires_in_seconds: Annotated[float, Field(gt=0, le=MAX_GRANT_SECONDS)] = 600


class Grant(Contract):
    """Redeemed once, as the header `Action-Grant` of `POST /api/scores`."""

    grant: str
    expires_in: float


class Erasure(Contract):
    """A person was erased; the pseudonymous ledger stays."""

    user_id: UserId
    erased_at: datetime
