"""What stands in for asyncpg, as the ledger's lanes use it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.score.domain.increments import Entry
from services.score.store.ledger import STATEMENT_TIMEOUT_MS
from tests.simulation.process import here

STATEMENT_SECONDS = STATEMENT_TIMEOUT_MS / 1000


class SimConnection:
    """`asyncpg.Connection` as the ledger's lanes use it."""

    def __init__(self) -> None:
        self._process = here()
        self._ledger = self._process.world.ledger
        self._closed = False

    async def fetch(
        self,
        _statement: str,
        batch: UUID,
        users: Sequence[str],
        keys: Sequence[str],
        deltas: Sequence[int],
        _hashes: Sequence[bytes],
        fingerprints: Sequence[bytes | None],
        requests: Sequence[str],
        day_limits: Sequence[int | None],
    ) -> list[tuple[Any, ...]]:
        """`score.append_increments`, the only statement that returns rows."""
        columns = zip(users, keys, deltas, fingerprints, requests, day_limits, strict=True)
        entries = [Entry(*row) for row in columns]
        done = await self._ask(lambda: self._ledger.commit(batch, entries))
        return [
            (
                number,
                settled.outcome,
                settled.version,
                settled.balance,
                change is not None and change.held,
                change and change.reached_at,
            )
            for number, (settled, change) in enumerate(done, start=1)
        ]

    async def fetchval(self, _statement: str) -> int:
        """`score.ledger_epoch()`, the only statement that returns a value."""
        return int(await self._ask(lambda: self._ledger.ledger_epoch))

    def is_closed(self) -> bool:
        return self._closed

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109 - asyncpg's name
        self._closed = True

    def terminate(self) -> None:
        self._closed = True

    async def _ask(self, act: Any) -> Any:
        return await self._process.world.wires.ask(
            self._ledger,
            act,
            error=asyncpg.ConnectionDoesNotExistError,
            patience=STATEMENT_SECONDS,
        )


async def connect(_url: str, **_options: Any) -> SimConnection:
    """`asyncpg.connect`."""
    return SimConnection()
