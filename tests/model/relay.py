"""One process of score: what it has committed, and the relay that brings it to the log."""

import asyncio
from collections.abc import Sequence
from typing import Literal, cast
from unittest.mock import patch
from uuid import UUID

from libs.common.errors import PublishFailed, Unavailable
from libs.common.kafka import Publisher, Record
from services.score import publisher
from services.score.domain.changes import Commit
from services.score.publisher import Relay
from tests.model.actors import Actor
from tests.model.log import Fate, Log
from tests.model.ports import Ledger

Outcome = Fate | Literal["not forgotten"]
"""What becomes of a publication: the fate of its records, or the outbox does not hear of it."""


class Relaying:
    """The product's relay in turns; `fresh` is committed, and not yet offered to it."""

    def __init__(self, ledger: Ledger, log: Log) -> None:
        self.fresh: list[Commit] = []
        self._ports = _Ports(ledger, log)
        with patch.multiple(publisher, GATHER_SECONDS=0, FORGET_SECONDS=0):
            self._relay = Relay(cast(Publisher, self._ports), self._ports)

    async def start(self) -> None:
        self._lane = asyncio.get_running_loop().create_task(self._relay.run())
        await self._ports.sweeps.start(self._relay.sweep())

    async def kill(self) -> None:
        """What was not published is left to the next process's sweeper."""
        self._lane.cancel()
        await asyncio.wait([self._lane])
        await self._ports.sweeps.kill()

    async def publish(self, commits: Sequence[Commit], outcome: Outcome) -> None:
        """Offer fresh commits, and see what becomes of them."""
        self._ports.expect(outcome)
        for commit in commits:
            self.fresh.remove(commit)
            self._relay.offer(commit)
        await self._ports.settled

    async def sweep(self, outcome: Outcome) -> None:
        """Publish what is left in the outbox, if any lease ran out."""
        self._ports.expect(outcome)
        await self._ports.sweeps.turn(None)


class _Ports:
    """Publisher and outbox of a relay, with what is to go wrong."""

    def __init__(self, ledger: Ledger, log: Log) -> None:
        self.sweeps: Actor[None] = Actor()
        self.claim = ledger.claim
        self._ledger = ledger
        self._log = log
        self._forgets = True

    def expect(self, outcome: Outcome) -> None:
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._forgets = outcome != "not forgotten"
        self._log.fate = "acked" if outcome == "not forgotten" else outcome

    async def publish(self, records: Sequence[Record]) -> None:
        try:
            await self._log.publish(records)
        except PublishFailed:
            self._settle()
            raise

    async def forget(self, batch_ids: Sequence[UUID]) -> None:
        try:
            if not self._forgets:
                raise Unavailable("the outbox does not answer")
            await self._ledger.forget(batch_ids)
        finally:
            self._settle()

    async def backlog(self) -> tuple[int, float]:
        await self.sweeps.wait()
        return await self._ledger.backlog()

    def _settle(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)
