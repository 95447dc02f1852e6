"""What auth does by itself: turning its keys, and forgetting what no longer matters."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from libs.common.clock import Clock
from libs.common.errors import AppError
from libs.common.logs import Trouble
from services.auth.domain.keys import MakeKey, SigningKey, rotated, upkeep

KEYS_SECONDS = 5.0
PURGE_SECONDS = 60.0
MAX_PURGED = 10_000

_log = structlog.get_logger()

Change = Callable[[Sequence[SigningKey]], Sequence[SigningKey]]


class KeyStore(Protocol):
    """Where all replicas find the same keys."""

    async def load(self) -> Sequence[SigningKey]: ...

    async def change(self, change: Change) -> Sequence[SigningKey]:
        """Replace the keys by what `change` makes of them, one replica at a time."""
        ...


class Expired(Protocol):
    """Rows that matter no more."""

    async def purge(self, now: datetime, *, at_most: int) -> None:
        """Delete some of them: at most so many of each kind."""
        ...


class KeepKeys:
    """Keeps this replica's key ring the same as the others', and young."""

    def __init__(
        self,
        store: KeyStore,
        make: MakeKey,
        adopt: Callable[[Sequence[SigningKey]], None],
        clock: Clock,
        *,
        max_age_seconds: int,
    ) -> None:
        self._store = store
        self._make = make
        self._adopt = adopt
        self._clock = clock
        self._max_age = timedelta(seconds=max_age_seconds)

    async def once(self) -> None:
        """Make, turn or drop keys if it is time; then adopt what is there."""
        keys = await self._store.load()
        if self._due(keys) is not keys:
            # Whoever had the lock before may have done it already; so it is decided anew.
            keys = await self._store.change(self._due)
        self._adopt(keys)

    async def rotate(self) -> None:
        """Turn the keys now. Raises `Conflict` while the next one is too young."""
        keys = await self._store.change(
            lambda keys: rotated(keys, now=self._clock.now(), make=self._make)
        )
        self._adopt(keys)
        _log.info("keys_rotated_by_operator")

    async def run(self) -> None:
        """Do `once` for ever."""
        trouble = Trouble("keys_not_loaded")
        while True:
            await asyncio.sleep(KEYS_SECONDS)
            try:
                await self.once()
            except AppError as error:
                trouble.met(error)
            else:
                trouble.over()

    def _due(self, keys: Sequence[SigningKey]) -> Sequence[SigningKey]:
        return upkeep(keys, now=self._clock.now(), max_age=self._max_age, make=self._make)


async def purge_expired(expired: Expired, clock: Clock) -> None:
    """Forget a bounded number of expired rows now and then, for ever."""
    while True:
        await asyncio.sleep(PURGE_SECONDS)
        try:
            await expired.purge(clock.now(), at_most=MAX_PURGED)
        except AppError as error:
            _log.warning("expired_not_purged", error=str(error))
