"""What the routes call, and who is let in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from libs.common.errors import Forbidden
from libs.common.identity import ServiceDoor
from libs.common.openapi import Proof
from libs.common.tokens import Verifier
from services.score.domain.corrections import Actor
from services.score.usecases.corrections import Corrections, Users
from services.score.usecases.increments import AcceptIncrements
from services.score.usecases.ports import Books
from services.score.usecases.reviews import Reviews


@dataclass(frozen=True)
class Parts:
    """What the routes call."""

    accept: AcceptIncrements
    books: Books
    corrections: Corrections
    users: Users
    reviews: Reviews
    contexts: Verifier
    gateway_door: ServiceDoor
    scoreboard_door: ServiceDoor


async def parts(request: Request) -> Parts:
    return cast(Parts, request.state.parts)


PartsOf = Annotated[Parts, Depends(parts)]
Authorization = Annotated[str, Depends(Proof("service"))]
UserContext = Annotated[str, Depends(Proof("user context", "X-User-Context"))]


async def from_gateway(parts: PartsOf, authorization: Authorization) -> None:
    await parts.gateway_door.admit(authorization)


async def from_scoreboard(parts: PartsOf, authorization: Authorization) -> None:
    await parts.scoreboard_door.admit(authorization)


def holder_of(permission: str) -> Callable[..., Awaitable[Actor]]:
    """A dependency: whom the user context names, if auth gave them the permission."""

    async def actor(parts: PartsOf, context: UserContext) -> Actor:
        """Raises `Unauthenticated` or `Forbidden`."""
        claims = await parts.contexts.verify(context)
        actor = Actor(claims.subject, claims.names("permissions"))
        if permission not in actor.permissions:
            raise Forbidden(f"this needs the permission {permission}")
        return actor

    return actor


MayReadFraud = Annotated[Actor, Depends(holder_of("fraud:read"))]
MayWriteFraud = Annotated[Actor, Depends(holder_of("fraud:write"))]
MayWriteUsers = Annotated[Actor, Depends(holder_of("users:write"))]
