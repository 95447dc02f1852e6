"""What the use cases need from outside."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from libs.common.contracts.scores import LedgerDigest, LedgerPage
from libs.common.tokens import Claims
from services.score.domain.changes import Commit
from services.score.domain.increments import Entry, Settled
from services.score.domain.rates import Decision


class Tokens(Protocol):
    """Checks tokens of one kind."""

    async def verify(self, token: str) -> Claims:
        """Raises `Unauthenticated`."""
        ...


class Limiter(Protocol):
    """Counts requests per user."""

    async def take(self, users: Sequence[str]) -> list[Decision]:
        """One request of each; a user may appear twice."""
        ...


class Ledger(Protocol):
    """Where increments are kept."""

    def submit(self, key: str, item: Entry) -> asyncio.Future[Settled]:
        """Commit soon; entries with the same `key` in this order. Raises `Unavailable`."""
        ...


class History(Protocol):
    """What the ledger already holds."""

    async def find(self, entries: Sequence[Entry]) -> list[Settled | None]:
        """The stored answers to these keys; None where there is none. Raises `Unavailable`."""
        ...


class Books(Protocol):
    """What others may read of the ledger."""

    async def totals(self, *, after: str, limit: int) -> LedgerPage:
        """Users after a cursor, by id."""
        ...

    async def top(self, *, limit: int) -> LedgerPage:
        """The board as SQL orders it: score, then who reached it first, then the id's bytes."""
        ...

    async def digest(self) -> LedgerDigest:
        """Sums over all users."""
        ...

    async def entries(self, user_id: str, *, before: int, limit: int) -> list[dict[str, Any]]:
        """A user's entries, newest first, older than `before`."""
        ...

    async def next_epoch(self, *, board: str, region: str, reason: str, after: int) -> int:
        """A number that no board had before; `after` is the largest that the caller knows."""
        ...


class Outbox(Protocol):
    """Committed batches that Kafka has not acknowledged."""

    async def claim(self, *, limit: int) -> list[Commit]:
        """Take over batches whose lease ran out, for a while; no two callers get the same one."""
        ...

    async def forget(self, batch_ids: Sequence[UUID]) -> None:
        """Kafka has acknowledged these."""
        ...

    async def backlog(self) -> tuple[int, float]:
        """How many wait, and the age of the oldest in seconds."""
        ...
