"""What the routes call, and who is let in."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Header, Request

from libs.common.identity import ServiceDoor
from libs.common.tokens import Verifier
from services.score.usecases.increments import AcceptIncrements
from services.score.usecases.ports import Books


@dataclass(frozen=True)
class Parts:
    """What the routes call."""

    accept: AcceptIncrements
    books: Books
    contexts: Verifier
    gateway_door: ServiceDoor
    scoreboard_door: ServiceDoor


def parts(request: Request) -> Parts:
    return cast(Parts, request.state.parts)


PartsOf = Annotated[Parts, Depends(parts)]
Authorization = Annotated[str | None, Header()]


async def from_gateway(parts: PartsOf, authorization: Authorization = None) -> None:
    await parts.gateway_door.admit(authorization)


async def from_scoreboard(parts: PartsOf, authorization: Authorization = None) -> None:
    await parts.scoreboard_door.admit(authorization)
