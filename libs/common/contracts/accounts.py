"""What `auth` hears and says about accounts: their owners, and those who look after them."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from libs.common.contracts.corrections import AuditLine, Order, Why
from libs.common.contracts.values import MAX_TOTAL, Contract, UserId

MAX_GRANT_SECONDS = 86_400

# Looser than the rules, which speak of characters as they are seen; these only bound the work.
Login = Annotated[str, Field(max_length=64, examples=["alice"])]
Password = Annotated[str, Field(max_length=512, examples=["correct horse battery staple"])]
DisplayName = Annotated[str, Field(max_length=160, examples=["Alice"])]
RefreshToken = Annotated[str, Field(max_length=128, examples=["q8Jd…"])]


class Registration(Order):
    """A new account. Without a display name, the login is shown."""

    login: Login
    password: Password
    display_name: DisplayName | None = None


class Credentials(Order):
    """A login and its password."""

    login: Login
    password: Password


class Renewal(Order):
    """A refresh token, good for this one use."""

    refresh_token: RefreshToken


class LogOut(Order):
    """What to end: by default the session of the access token."""

    all: StrictBool = False
    refresh_token: RefreshToken | None = None


class Profile(Order):
    """What a user can change about themselves."""

    display_name: DisplayName


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
    max_increment: Annotated[StrictInt, Field(ge=1, le=MAX_TOTAL)]
    min_elapsed_seconds: Annotated[float, Field(strict=True, ge=0, le=MAX_GRANT_SECONDS)] = 0
    expires_in_seconds: Annotated[float, Field(strict=True, gt=0, le=MAX_GRANT_SECONDS)] = 600


class Grant(Contract):
    """Redeemed once, as the header `Action-Grant` of `POST /api/scores`."""

    grant: str
    expires_in: float


class Erasure(Contract):
    """A person was erased; the pseudonymous ledger stays."""

    user_id: UserId
    erased_at: datetime
