"""Tickets for private streams, for the gateway on behalf of a user."""

from fastapi import APIRouter, Depends

from libs.common.contracts.sessions import Ticket, TicketOrder
from services.notification.routes.parts import PartsOf, from_gateway

internal = APIRouter(prefix="/internal", tags=["internal"], dependencies=[Depends(from_gateway)])


@internal.post("/tickets")
async def issue_ticket(order: TicketOrder, parts: PartsOf) -> Ticket:
    """A ticket for a private stream."""
    return await parts.tickets.issue(order)
