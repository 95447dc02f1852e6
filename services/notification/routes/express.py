"""
The express way into the public stream: a WebSocket without a ticket.

When a node or a network comes back, everybody who watches comes back at once, and all ask for the
same. They are let in here, past the framework, as in `routes.streams`. Who has a ticket, or is to
be refused, goes there, untouched.
"""

import re

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from libs.common.errors import AppError
from services.notification.domain import Position
from services.notification.routes.parts import Parts
from services.notification.routes.streams import PATH, admit, arrive, begin

_SEEN = re.compile(rb"(?:since=([0-9]{1,18}(?::|%3A)[0-9]{1,18}))?")


class Express:
    """Opens ordinary streams, and hands on everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        query: bytes = scope["query_string"]
        plain = _SEEN.fullmatch(query)
        if plain is None:
            await self._app(scope, receive, send)
            return
        parts: Parts = scope["state"]["parts"]
        websocket = WebSocket(scope, receive, send)
        try:
            arrive(websocket, parts)
            session = await admit(websocket, parts, "", "websocket")
        except AppError:
            scope["query_string"] = query
            await self._app(scope, receive, send)
            return
        seen = (plain[1] or b"").decode().replace("%3A", ":")
        await begin(websocket, parts, session, Position.parse(seen))
