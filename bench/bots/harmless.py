"""
Proof that suspicion costs no point.

Increments of people go through the real accept path, on a ledger in memory, with the real detector
beside it and a rule that puts everybody on hold at once.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from redis.asyncio import Redis

from bench.bots.trial import batches
from libs.common.batching import Lanes
from libs.common.clock import system_clock
from libs.common.contracts.reviews import Rule
from libs.common.contracts.scores import Increment
from libs.common.tasks import background
from libs.common.tokens import Claims
from services.score.domain.bots import Sighting, Signal, Suspicion
from services.score.domain.bounds import Bounds
from services.score.domain.increments import Entry, Settled
from services.score.domain.rates import Rate
from services.score.store.limiter import LocalLimiter
from services.score.store.signals import RedisSignals
from services.score.usecases.admission import WRITE_PERMISSION, Admission
from services.score.usecases.increments import AcceptIncrements
from services.score.usecases.suspicion import WatchIncrements
from tests.fakes import MemoryLedger

ON_HOLD_AT_ONCE = Rule(
    name="everybody",
    signal=Signal.ACTIVE_HOURS,
    window_seconds=3600,
    threshold=1,
    action="hold",
    shadow=False,
)
POLL_SECONDS, PATIENCE_SECONDS = 0.05, 30
NO_RATE_LIMIT = Rate(per_second=1_000_000, burst=1_000_000)


@dataclass(frozen=True)
class Harm:
    """What suspicion cost; `lost` is what was sent and is not in the ledger."""

    accounts: int
    sent: int
    lost: int


class Names:
    """A context is the user's name."""

    async def verify(self, token: str) -> Claims:
        now = system_clock.now()
        return Claims(token, "jti", now, now, {"permissions": [WRITE_PERMISSION]})


class Suspects:
    """Remembers who was to be held."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    async def open(self, suspicion: Suspicion) -> None:
        self.names.add(suspicion.user_id)


async def measure(redis: Redis, sightings: Sequence[Sighting]) -> Harm:
    """Send these, everybody being put on hold by their first."""
    ledger, suspects = MemoryLedger(), Suspects()
    signals = RedisSignals(redis, [ON_HOLD_AT_ONCE], rate_per_second=1)
    watch = WatchIncrements(signals, suspects)

    async def commit(entries: Sequence[Entry]) -> Sequence[Settled]:
        done = await ledger.append(entries)
        watch.offer(entries, done)
        return done.settled

    sent: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(background(watch.run(), name="bots"))
        lanes = await stack.enter_async_context(Lanes([commit], max_batch=500, max_waiting=5000))
        admission = Admission(
            Names(), Names(), system_clock, bounds={}, default=Bounds(per_request=1_000_000)
        )
        accept = AcceptIncrements(
            admission, LocalLimiter(NO_RATE_LIMIT), lanes, ledger, system_clock
        )
        for number, batch in enumerate(batches(sightings)):
            for sighting in batch:
                sent[sighting.user_id] += sighting.points
            await accept.answer(
                [
                    Increment(
                        context=sighting.user_id,
                        idempotency_key=f"{number}-{n}",
                        score_increment=sighting.points,
                        fingerprint=sighting.fingerprint,
                    )
                    for n, sighting in enumerate(batch)
                ]
            )
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not suspects.names >= sent.keys():
                await asyncio.sleep(POLL_SECONDS)
    kept = {user: row.score for user, row in ledger.rows.items()}
    lost = sum(abs(points - kept.get(user, 0)) for user, points in sent.items())
    return Harm(len(sent), sent.total(), lost)
