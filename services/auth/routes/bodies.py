"""The bodies of calls; the rules for what is in them are the domain's."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from libs.common.contracts.values import UserId
from services.auth.domain.claims import JTI_PATTERN, LONGEST_ACCESS_SECONDS
from services.auth.domain.roles import PLAYER

DEFAULT_TOKEN_SECONDS = 900

# Looser than the rules, which speak of characters as they are seen; these only bound the work.
Login = Annotated[str, Field(max_length=64, examples=["alice"])]
Password = Annotated[str, Field(max_length=512, examples=["correct horse battery staple"])]
DisplayName = Annotated[str, Field(max_length=160, examples=["Alice"])]
RefreshToken = Annotated[str, Field(max_length=128, examples=["q8Jd…"])]
Role = Annotated[str, Field(max_length=32, examples=[PLAYER])]


class _Sent(BaseModel):
    """A field that we do not know is a mistake of the caller, who should hear of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Registration(_Sent):
    """A new account. Without a display name, the login is shown."""

    login: Login
    password: Password
    display_name: DisplayName | None = None


class Credentials(_Sent):
    """A login and its password."""

    login: Login
    password: Password


class Renewal(_Sent):
    """A refresh token, good for this one use."""

    refresh_token: RefreshToken


class LogOut(_Sent):
    """What to end: by default the session of the access token."""

    all: bool = False
    refresh_token: RefreshToken | None = None


class Profile(_Sent):
    """What a user can change about themselves."""

    display_name: DisplayName


class ServiceToken(BaseModel):
    """RFC 6749 §4.4.3."""

    access_token: str
    token_type: str = Field(default="Bearer")
    expires_in: int


class AccessOrder(_Sent):
    """An access token for a user, who need not be registered here."""

    user_id: UserId
    roles: list[Role] = Field(default=[PLAYER], max_length=16)
    ttl_seconds: int = Field(default=DEFAULT_TOKEN_SECONDS, ge=1, le=LONGEST_ACCESS_SECONDS)


class AccessToken(BaseModel):
    """The token that was ordered."""

    access_token: str


class RevocationOrder(_Sent):
    """One token of a user, or without `jti` all that they have."""

    user_id: UserId
    jti: str | None = Field(default=None, pattern=JTI_PATTERN)
