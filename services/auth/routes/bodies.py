"""The bodies of calls; the rules for what is in them are the domain's."""

from typing import Annotated

from pydantic import BaseModel, Field

from libs.common.contracts.corrections import Order
from libs.common.contracts.values import UserId
from services.auth.domain.claims import JTI_PATTERN, LONGEST_ACCESS_SECONDS
from services.auth.domain.roles import PLAYER

DEFAULT_TOKEN_SECONDS = 900

Role = Annotated[str, Field(max_length=32, examples=[PLAYER])]


class ServiceToken(BaseModel):
    """RFC 6749 §4.4.3."""

    access_token: str
    token_type: str = Field(default="Bearer")
    expires_in: int


class AccessOrder(Order):
    """An access token for a user, who need not be registered here."""

    user_id: UserId
    roles: list[Role] = Field(default=[PLAYER], max_length=16)
    ttl_seconds: int = Field(default=DEFAULT_TOKEN_SECONDS, ge=1, le=LONGEST_ACCESS_SECONDS)


class AccessToken(BaseModel):
    """The token that was ordered."""

    access_token: str


class RevocationOrder(Order):
    """One token of a user, or without `jti` all that they have."""

    user_id: UserId
    jti: str | None = Field(default=None, pattern=JTI_PATTERN)
