"""Tickets: a sign-in, exchanged for something that may stand in a URL because it works once."""

import re
from datetime import UTC, datetime

from libs.common.contracts.sessions import Ticket, TicketOrder
from libs.common.errors import Forbidden, InvalidRequest, Unauthenticated
from libs.common.tokens import Verifier
from services.notification.domain import Viewer
from services.notification.usecases.ports import Revoked, TicketStore

PERMISSION = "stream:own"

_TICKET = re.compile(r"^[A-Za-z0-9_-]{22}$")  # 128 random bits in URL-safe Base64


class Tickets:
    """Issues tickets to those whom auth vouches for, and takes them back once."""

    def __init__(self, contexts: Verifier, store: TicketStore, revoked: Revoked) -> None:
        self._contexts = contexts
        self._store = store
        self._revoked = revoked

    async def issue(self, order: TicketOrder) -> Ticket:
        """Raises `Unauthenticated`, `Forbidden` or `Unavailable`."""
        claims = await self._contexts.verify(order.context)
        if PERMISSION not in claims.names("permissions"):
            raise Forbidden(f"this needs the permission {PERMISSION}")
        try:
            expires_at = datetime.fromtimestamp(order.expires_at, UTC)
        except (ValueError, OverflowError, OSError):
            raise InvalidRequest("expires_at: is not a time") from None
        viewer = Viewer(claims.subject, claims.jti, claims.issued_at, expires_at)
        ticket, expires_in = await self._store.issue(viewer)
        return Ticket(ticket=ticket, expires_in=expires_in)

    async def redeem(self, ticket: str) -> Viewer:
        """Who may watch with it. Raises `InvalidRequest`, `Unauthenticated` or `Unavailable`."""
        if not _TICKET.match(ticket):
            raise InvalidRequest("ticket: is not a ticket")
        viewer = await self._store.redeem(ticket)
        if viewer is None or self._revoked.covers(
            user_id=viewer.user_id, jti=viewer.jti, issued_at=viewer.issued_at
        ):
            raise Unauthenticated("the ticket is used or too old; get a new one")
        return viewer
