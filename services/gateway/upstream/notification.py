"""Calls to notification: tickets for private streams."""

from libs.common.contracts.sessions import Ticket, TicketOrder
from services.gateway.upstream.peer import Peer


class NotificationClient:
    """Notification."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def order(self, order: TicketOrder) -> Ticket:
        """Raises `Unavailable`."""
        reply = await self._peer.call(
            "POST", "/internal/tickets", body=order.model_dump_json().encode()
        )
        return self._peer.read(Ticket, reply)
