"""What the gateway passes on: a question to another service, and its answer as it came."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import Field

from libs.common.contracts.scores import ChangeKind
from libs.common.contracts.sessions import Ticket, TicketOrder
from libs.common.contracts.values import Contract


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that may be shown to the caller; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A request to auth, without anything that the caller could have forged."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    authorization: str
    client_address: str
    request_id: str


class LedgerEntry(Contract):
    """One change of the caller's total."""

    seq: int
    delta: int
    balance_after: int
    kind: ChangeKind
    created_at: datetime
    idempotency_key: str


class HistoryPage(Contract):
    """The newest entries first; `next` is the `before` of the next page, empty on the last."""

    entries: list[LedgerEntry]
    next: str = Field(default="", examples=["41"])


class Board(Protocol):
    """Scoreboard. A reply is 200, or 304 if `etag` is still right. Raises `Unavailable`."""

    async def page(self, *, limit: int, offset: int, etag: str) -> Reply: ...

    async def standing(self, user_id: str, *, around: int, etag: str) -> Reply:
        """Raises `NotFound` too."""
        ...


class History(Protocol):
    """Score."""

    async def entries(self, context: str, *, before: int | None, limit: int) -> HistoryPage:
        """The ledger entries of the user whom `context` names. Raises `Unavailable`."""
        ...


class Accounts(Protocol):
    """Auth."""

    async def forward(self, request: Forwarded) -> Reply:
        """What auth says, a refusal too. Raises `Unavailable`."""
        ...

    async def keys(self) -> bytes:
        """The JWK set. Raises `Unavailable`."""
        ...


class Tickets(Protocol):
    """Notification."""

    async def order(self, order: TicketOrder) -> Ticket:
        """Raises `Unavailable`."""
        ...
