"""
The two public streams.

Everything is checked before the upgrade, and refused with a problem and a status; a stream that
has begun is only ever ended by a close code.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response, WebSocket
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from libs.common.errors import Forbidden
from libs.common.problems import refusals
from services.notification.domain import Position, hide_address, origin_allowed
from services.notification.routes.parts import Parts, PartsOf
from services.notification.usecases.ports import Session
from services.notification.usecases.streams import Streams

PATH = "/api/stream"
SEEN_PATTERN = r"^([0-9]{1,18}:[0-9]{1,18})?$"
TICKET_PATTERN = r"^([A-Za-z0-9_-]{22})?$"

public = APIRouter(tags=["streams"])


@public.websocket(PATH)
async def stream(websocket: WebSocket, parts: PartsOf, since: str = "", ticket: str = "") -> None:
    """The board over WebSocket; with a ticket, the own rank as well."""
    arrive(websocket, parts)
    seen = Position.parse(since)
    session = await admit(websocket, parts, ticket, "websocket")
    with abandoned_on_error(parts.streams, session):
        await websocket.accept()
        client = parts.connections.open_websocket(websocket.scope, parts.streams)
        parts.streams.begin(session, client, seen)


@public.get(
    "/api/stream/sse",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}, **refusals(401, 403, 429, 503)},
)
async def stream_events(
    request: Request,
    parts: PartsOf,
    since: Annotated[
        str,
        Query(pattern=SEEN_PATTERN, description="`epoch:rev` of the newest snapshot seen"),
    ] = "",
    ticket: Annotated[
        str, Query(pattern=TICKET_PATTERN, description="for a private stream; good once")
    ] = "",
    last_event_id: Annotated[
        str, Header(pattern=SEEN_PATTERN, description="wins over `since`")
    ] = "",
) -> Response:
    """The board as server-sent events; with a ticket, the own rank as well."""
    arrive(request, parts)
    seen = Position.parse(last_event_id or since)
    session = await admit(request, parts, ticket, "sse")
    return EventStreamResponse(parts, session, seen, origin=request.headers.get("origin"))


class EventStreamResponse(Response):
    """Sends a response's head, and hands the connection over for the rest of its life."""

    media_type = "text/event-stream"

    def __init__(
        self, parts: Parts, session: Session, seen: Position, *, origin: str | None
    ) -> None:
        super().__init__()
        self._parts = parts
        self._session = session
        self._seen = seen
        del self.headers["content-length"]
        self.headers["transfer-encoding"] = "chunked"
        self.headers["connection"] = "close"
        self.headers["cache-control"] = "no-store"
        self.headers["x-accel-buffering"] = "no"  # nginx would collect events
        self.headers["vary"] = "origin"
        if origin is not None:
            self.headers["access-control-allow-origin"] = origin

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        streams = self._parts.streams
        with abandoned_on_error(streams, self._session):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            client = self._parts.connections.open_events(scope, streams)
            streams.begin(self._session, client, self._seen)


@contextmanager
def abandoned_on_error(streams: Streams, session: Session) -> Generator[None, None, None]:
    """Give the session up if its stream does not begin; a client that went away is no error."""
    try:
        yield
    except (OSError, WebSocketDisconnect):
        streams.abandon(session)
    except BaseException:
        streams.abandon(session)
        raise


def arrive(connection: HTTPConnection, parts: Parts) -> None:
    """What every stream begins with. Raises `Forbidden` for a page that is not ours."""
    # uvicorn logs the query of a request that it answers; a ticket must not get there.
    connection.scope["query_string"] = b""
    parts.connections.expect(connection.scope)
    scheme = connection.scope["scheme"].replace("ws", "http")
    own = f"{scheme}://{connection.headers.get('host', '')}"
    if not origin_allowed(connection.headers.get("origin"), own, parts.origins):
        raise Forbidden("this origin may not open streams")


async def admit(connection: HTTPConnection, parts: Parts, ticket: str, transport: str) -> Session:
    """Let a stream in. Raises what `Streams.admit` does."""
    host = connection.client.host if connection.client else ""
    return await parts.streams.admit(
        address=hide_address(host, parts.address_secret),
        transport=transport,
        ticket=ticket,
    )
