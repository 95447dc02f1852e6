"""What `notification` says to the gateway: tickets for private streams, and who is connected."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from libs.common.contracts.values import Contract, UserId


class TicketOrder(Contract):
    """Who the ticket is for, as auth signed it, and until when their sign-in lasts."""

    context: str
    expires_at: float = Field(description="the access token's `exp`, seconds since 1970")


class Ticket(Contract):
    """Opens one private stream, once, within `expires_in` seconds."""

    ticket: str
    expires_in: int


class StreamSession(Contract):
    """One open stream, on any node; `address` is a keyed hash."""

    session_id: str
    user_id: UserId | None = Field(description="null: an anonymous stream")
    node: str
    since: datetime
    transport: Literal["websocket", "sse"]
    address: str


class StreamSessionList(Contract):
    """Open streams; `next` is the `after` of the next page, empty on the last."""

    total: int = Field(description="open over all nodes, of the user if one was named")
    sessions: list[StreamSession]
    next: str = ""


class Node(Contract):
    """One notification process; one that is draining takes no new streams."""

    node: str
    sessions: int
    draining: bool
    seen_at: datetime


class NodeList(Contract):
    """The notification processes that are up."""

    nodes: list[Node]


class Closing(Contract):
    """How many streams were told to close; they are gone within 5 s."""

    sessions: int
