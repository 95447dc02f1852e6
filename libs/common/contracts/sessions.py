"""What `notification` says to the gateway: tickets for private streams."""

from pydantic import Field

from libs.common.contracts.values import Contract


class TicketOrder(Contract):
    """Who the ticket is for, as auth signed it, and until when their sign-in lasts."""

    context: str
    expires_at: float = Field(description="the access token's `exp`, seconds since 1970")


class Ticket(Contract):
    """Opens one private stream, once, within `expires_in` seconds."""

    ticket: str
    expires_in: int
