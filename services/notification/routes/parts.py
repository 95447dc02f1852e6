"""What the routes call, and who is let in."""

from asyncio import Transport
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Protocol, cast

from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.types import Scope

from libs.common.errors import Forbidden
from libs.common.identity import ServiceDoor
from libs.common.openapi import Proof
from libs.common.tokens import Verifier
from services.notification.domain import Client
from services.notification.usecases.oversight import Oversight
from services.notification.usecases.streams import Streams
from services.notification.usecases.tickets import Tickets


class Connections(Protocol):
    """Takes connections over from the server; `connections.takeover` says how."""

    def expect(self, scope: Scope) -> None: ...

    def open_websocket(self, scope: Scope, watcher: Streams) -> Client: ...

    def take_websocket(self, transport: Transport, early: bytes, watcher: Streams) -> Client: ...

    def open_events(self, scope: Scope, watcher: Streams) -> Client: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes need."""

    streams: Streams
    connections: Connections
    tickets: Tickets
    oversight: Oversight
    contexts: Verifier
    gateway_door: ServiceDoor
    origins: frozenset[str]
    address_secret: bytes


async def _parts(connection: HTTPConnection) -> Parts:
    return cast("Parts", connection.state.parts)


PartsOf = Annotated[Parts, Depends(_parts)]
Authorization = Annotated[str, Depends(Proof("service"))]
UserContext = Annotated[str, Depends(Proof("user context", "X-User-Context"))]


async def from_gateway(parts: PartsOf, authorization: Authorization) -> None:
    await parts.gateway_door.admit(authorization)


def actor_with(permission: str) -> Callable[..., Awaitable[str]]:
    """Gives the id of the user for whom the gateway calls, if they have this permission."""

    async def actor(
        parts: PartsOf,
        _: Annotated[None, Depends(from_gateway)],
        context: UserContext,
    ) -> str:
        claims = await parts.contexts.verify(context)
        if permission not in claims.names("permissions"):
            raise Forbidden(f"this needs the permission {permission}")
        return claims.subject

    return actor
