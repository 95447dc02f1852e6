"""
The express way into the public stream: a WebSocket without a ticket.

When a node or a network comes back, everybody who watches comes back at once, and all ask for the
same. They are let in here, past the framework and with the same answer as in `routes.streams`. Who
has a ticket, or is to be refused, goes there, untouched.
"""

import asyncio
import re
from typing import Any

from websockets.utils import accept_key

from libs.common.at_once import Connection, Fields, Whole
from libs.common.tasks import spawn
from services.notification.domain import Position, hide_address, origin_allowed
from services.notification.routes.parts import Parts
from services.notification.routes.streams import PATH, abandoned_on_error

_TARGET = re.compile(PATH.encode() + rb"(?:\?(?:since=([0-9]{1,18}(?::|%3A)[0-9]{1,18}))?)?")
_KEY = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")  # 16 bytes
_CONNECTION = frozenset({b"upgrade", b"keep-alive, upgrade"})
_UNUSUAL = frozenset({b"content-length", b"transfer-encoding", b"sec-websocket-protocol"})


class Express:
    """Opens ordinary streams as an `AtOnce`, and leaves everything else."""

    line = f"GET {PATH}".encode()
    upgrades = True

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._opening: set[asyncio.Task[Any]] = set()

    def __call__(self, request: Whole, connection: Connection) -> bool:
        target = _TARGET.fullmatch(request.target)
        fields = plain_handshake(request, self._parts.origins)
        if target is None or fields is None:
            return False
        seen = Position.parse((target[1] or b"").decode().replace("%3A", ":"))
        opening = self._open(request.client, connection, fields, seen)
        spawn(opening, self._opening, name="opening")
        return True

    async def _open(
        self, host: str, connection: Connection, fields: Fields, seen: Position
    ) -> None:
        parts = self._parts
        try:
            session = await parts.streams.admit(
                address=hide_address(host, parts.address_secret), transport="websocket", ticket=""
            )
        except Exception:  # noqa: BLE001 - the documented way meets it, too, and says so
            connection.pass_on()
            return
        with abandoned_on_error(parts.streams, session):
            transport, early = connection.switch(fields)
            client = parts.connections.take_websocket(transport, early, parts.streams)
            parts.streams.begin(session, client, seen)


def plain_handshake(request: Whole, origins: frozenset[str]) -> Fields | None:
    """What accepts it (RFC 6455, 4.2), if no name comes twice; None: look closer."""
    found = dict(request.fields)
    key = found.get(b"sec-websocket-key", b"")
    own = f"{request.scheme}://{found.get(b'host', b'').decode('latin-1')}"
    origin = found[b"origin"].decode("latin-1") if b"origin" in found else None
    ordinary = (
        len(found) == len(request.fields)
        and _UNUSUAL.isdisjoint(found)
        and found.get(b"upgrade") == b"websocket"
        and found.get(b"connection", b"").lower() in _CONNECTION
        and found.get(b"sec-websocket-version") == b"13"
        and _KEY.fullmatch(key)
        and origin_allowed(origin, own, origins)
    )
    if not ordinary:
        return None
    return [
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", accept_key(key.decode()).encode()),
    ]
