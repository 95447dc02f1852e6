"""What the routes call, and who is let in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response

from libs.common.errors import Forbidden
from libs.common.identity import ServiceDoor
from libs.common.openapi import Proof
from libs.common.tokens import bearer
from services.auth.domain.roles import Permission, permissions_of
from services.auth.hub import RevocationHub
from services.auth.usecases.accounts import Accounts
from services.auth.usecases.administration import Administration
from services.auth.usecases.revocations import Revoke
from services.auth.usecases.sessions import Sessions
from services.auth.usecases.signing import IssueTokens
from services.auth.usecases.upkeep import KeepKeys
from services.auth.usecases.verdicts import Caller, Identify, Judge


@dataclass(frozen=True)
class Parts:
    """Put into `request.state` by `main`."""

    accounts: Accounts
    administration: Administration
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


async def parts(request: Request) -> Parts:
    return cast(Parts, request.state.parts)


PartsOf = Annotated[Parts, Depends(parts)]
Authorization = Annotated[str, Depends(Proof("bearer"))]
ServiceAuthorization = Annotated[str, Depends(Proof("service"))]


async def caller(parts: PartsOf, authorization: Authorization) -> Caller:
    """Who the access token speaks for. Raises `Unauthenticated`."""
    return await parts.identify(bearer(authorization))


CallerOf = Annotated[Caller, Depends(caller)]


class Holder:
    """Lets in callers whose roles permit it."""

    def __init__(self, permission: Permission) -> None:
        self._permission = permission

    async def __call__(self, caller: CallerOf) -> Caller:
        """Raises `Unauthenticated` or `Forbidden`."""
        if self._permission not in permissions_of(caller.roles):
            raise Forbidden(f"this needs the permission {self._permission}")
        return caller


MayReadUsers = Annotated[Caller, Depends(Holder(Permission.USERS_READ))]
MayWriteUsers = Annotated[Caller, Depends(Holder(Permission.USERS_WRITE))]
MayWriteGrants = Annotated[Caller, Depends(Holder(Permission.GRANTS_WRITE))]


async def not_stored(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


async def from_gateway(parts: PartsOf, authorization: ServiceAuthorization) -> None:
    await parts.gateway_door.admit(authorization)


async def from_listener(parts: PartsOf, authorization: ServiceAuthorization) -> None:
    await parts.listener_door.admit(authorization)


async def from_operator(parts: PartsOf, authorization: ServiceAuthorization) -> None:
    await parts.operator_door.admit(authorization)
