"""What the gateway passes on: a question to another service, and its answer as it came."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import Field

from libs.common.contracts.scores import ChangeKind
from libs.common.contracts.sessions import Ticket, TicketOrder
from libs.common.contracts.values import Contract

TIMEOUT_SECONDS = 2.0
# For what reads or writes much; below the edge's 10 s, so that our word on it comes first.
LONG_TIMEOUT_SECONDS = 9.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that may be shown to the caller; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Forwarded:
    """
    A request to another service, without anything that the caller could have forged.

    `path` is percent-encoded; `headers` say for whom it is.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout_seconds: float = TIMEOUT_SECONDS


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


class Owner(Protocol):
    """The service whose word counts: auth, score or notification."""

    async def forward(self, request: Forwarded) -> Reply:
        """What it says, a refusal too. Raises `Unavailable`."""
        ...


class Accounts(Owner, Protocol):
    """Auth."""

    async def keys(self) -> bytes:
        """The JWK set. Raises `Unavailable`."""
        ...


class Tickets(Protocol):
    """Notification."""

    async def order(self, order: TicketOrder) -> Ticket:
        """Raises `Unavailable`."""
        ...
