"""
Watching what was accepted: after the commit, beside the answers, and never in their way.

A signal refuses nothing and takes no points. What cannot be looked at (too much waits, Redis is
away, a fault in here) is counted and let go.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Protocol

from libs.common import metrics
from libs.common.batching import Lane
from libs.common.errors import Unavailable
from libs.common.logs import Trouble
from services.score.domain.bots import Sighting, Suspicion
from services.score.domain.changes import Commit
from services.score.domain.increments import Entry, Outcome

MAX_WAITING_COMMITS = 500
# A call costs as much as looking at ten increments, and nobody waits for what it finds.
GATHER_SECONDS = 0.1
# The board lives in the same Redis and waits for the script: some 2 ms.
MAX_SIGHTINGS_PER_CALL = 100
COOL_DOWN_SECONDS = 1.0

Accepted = tuple[Sequence[Entry], Commit]


class Signals(Protocol):
    """What is known of users and clients over time."""

    async def measure(self, sightings: Sequence[Sighting]) -> list[Suspicion] | None:
        """Note these, and say who crossed a rule. None: switched off. Raises `Unavailable`."""
        ...


class Suspects(Protocol):
    """Where suspicions wait for a person."""

    async def open(self, suspicion: Suspicion) -> None:
        """
        Open a review, and hold the user if the rule says so.

        Does nothing if one is open, or was decided lately. Raises `Unavailable`.
        """
        ...


class WatchIncrements:
    """Measures accepted increments, and climbs the ladder with their users."""

    def __init__(self, signals: Signals, suspects: Suspects) -> None:
        self._signals = signals
        self._suspects = suspects
        self._trouble = Trouble("bots_not_watched")
        self._lane: Lane[Accepted, None] = Lane(
            self._watch, max_batch=MAX_WAITING_COMMITS, max_waiting=MAX_WAITING_COMMITS
        )

    def offer(self, entries: Sequence[Entry], commit: Commit) -> None:
        """Look at a commit and the entries it is of, soon. Costs the caller next to nothing."""
        if not commit.changes:
            return
        try:
            self._lane.submit((entries, commit))
        except Unavailable:
            metrics.BOTS_UNSEEN.labels("full").inc(len(commit.changes))

    async def run(self) -> None:
        """Look at what is offered, for ever."""
        await self._lane.run()

    async def _watch(self, accepted: Sequence[Accepted]) -> list[None]:
        seen = chain.from_iterable(_sightings(*commit) for commit in accepted)
        while batch := list(islice(seen, MAX_SIGHTINGS_PER_CALL)):
            try:
                await self._judge(batch)
            except Exception as error:  # noqa: BLE001 - no fault in here may reach the ledger
                metrics.BOTS_UNSEEN.labels("failed").inc(len(batch))
                self._trouble.met(error)
                await asyncio.sleep(COOL_DOWN_SECONDS)
            else:
                self._trouble.over()
        await asyncio.sleep(GATHER_SECONDS)
        return [None] * len(accepted)

    async def _judge(self, sightings: Sequence[Sighting]) -> None:
        with metrics.BOTS_SECONDS.time():
            suspicions = await self._signals.measure(sightings)
        if suspicions is None:
            metrics.BOTS_UNSEEN.labels("off").inc(len(sightings))
            return
        for suspicion in suspicions:
            metrics.BOTS_SUSPICIONS.labels(suspicion.rule.name, suspicion.effect).inc()
            if suspicion.needs_review:
                await self._suspects.open(suspicion)


def _sightings(entries: Sequence[Entry], commit: Commit) -> Iterator[Sighting]:
    counted = (
        entry
        for entry, settled in zip(entries, commit.settled, strict=True)
        if settled.outcome is Outcome.ACCEPTED
    )
    for entry, change in zip(counted, commit.changes, strict=True):
        fingerprint = entry.fingerprint.hex() if entry.fingerprint else ""
        yield Sighting(entry.user_id, fingerprint, change.reached_at, entry.delta)
