"""What the routes call, and who is let in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Header, Request

from libs.common.identity import ServiceDoor
from libs.common.tokens import bearer
from services.auth.hub import RevocationHub
from services.auth.usecases.accounts import Accounts
from services.auth.usecases.revocations import Revoke
from services.auth.usecases.sessions import Sessions
from services.auth.usecases.signing import IssueTokens
from services.auth.usecases.upkeep import KeepKeys
from services.auth.usecases.verdicts import Caller, Identify, Judge


@dataclass(frozen=True)
class Parts:
    """Put into `request.state` by `main`."""

    accounts: Accounts
    sessions: Sessions
    identify: Identify
    judge: Judge
    revoke: Revoke
    issue: IssueTokens
    keys: KeepKeys
    published_keys: Callable[[], Awaitable[Mapping[str, Any]]]
    revocations: RevocationHub
    gateway_door: ServiceDoor
    listener_door: ServiceDoor
    operator_door: ServiceDoor


def parts(request: Request) -> Parts:
    return cast(Parts, request.state.parts)


PartsOf = Annotated[Parts, Depends(parts)]
Authorization = Annotated[str | None, Header(include_in_schema=False)]


async def caller(parts: PartsOf, authorization: Authorization = None) -> Caller:
    """Who the access token speaks for. Raises `Unauthenticated`."""
    return await parts.identify(bearer(authorization))


async def from_gateway(parts: PartsOf, authorization: Authorization = None) -> None:
    await parts.gateway_door.admit(authorization)


async def from_listener(parts: PartsOf, authorization: Authorization = None) -> None:
    await parts.listener_door.admit(authorization)


async def from_operator(parts: PartsOf, authorization: Authorization = None) -> None:
    await parts.operator_door.admit(authorization)
