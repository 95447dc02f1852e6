"""
The relay: every committed batch reaches topic `score-updates` at least once.

A fresh commit goes straight to Kafka; its outbox row is deleted soon after all acks are in. What
a dead process left behind, or Kafka refused, the sweeper sends again when the row's lease has run
out. Kafka being away never touches the accept path: the outbox grows, and drains when it is back.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from uuid import UUID

from libs.common import metrics
from libs.common.batching import Lane
from libs.common.contracts.topics import SCORE_UPDATES
from libs.common.errors import PublishFailed, Unavailable
from libs.common.kafka import Publisher, Record
from libs.common.logs import Trouble
from services.score.domain.changes import Change, Commit
from services.score.usecases.ports import Outbox

MAX_GROUPED_COMMITS = 200
MAX_WAITING_COMMITS = 2000
# A group costs broker and readers as much as a hundred records; screens move every 50 ms at most.
GATHER_SECONDS = 0.02
# A deletion is a commit. Whoever dies before it has a successor that publishes once more.
FORGET_SECONDS = 0.25
MAX_FORGOTTEN_AT_ONCE = 500
SWEEP_SECONDS = 0.5
SWEEP_LIMIT = 200


class Relay:
    """Publishes commits in groups, and sweeps up what was left."""

    def __init__(self, publisher: Publisher, outbox: Outbox) -> None:
        self._publisher = publisher
        self._outbox = outbox
        self._fresh: Lane[Commit, None] = Lane(
            self._relay,
            max_batch=MAX_GROUPED_COMMITS,
            max_waiting=MAX_WAITING_COMMITS,
            gather_seconds=GATHER_SECONDS,
        )
        self._published: Lane[UUID, None] = Lane(
            self._forget,
            max_batch=MAX_FORGOTTEN_AT_ONCE,
            max_waiting=MAX_WAITING_COMMITS,
            gather_seconds=FORGET_SECONDS,
        )

    def offer(self, commit: Commit) -> None:
        """Publish soon. With too many waiting, it is left to the sweeper: the outbox has it."""
        if commit.changes:
            with suppress(Unavailable):
                self._fresh.submit(commit)

    async def run(self) -> None:
        """Publish what is offered, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fresh.run())
            tasks.create_task(self._published.run())

    async def sweep(self) -> None:
        """Publish what was left behind, for ever."""
        trouble = Trouble("outbox_not_swept")
        while True:
            try:
                depth, age = await self._outbox.backlog()
                metrics.OUTBOX_DEPTH.set(depth)
                metrics.OUTBOX_AGE_SECONDS.set(age)
                while commits := await self._outbox.claim(limit=SWEEP_LIMIT):
                    await self._publish(commits)
                    await self._forget([commit.batch_id for commit in commits])
            except (PublishFailed, Unavailable) as error:
                trouble.met(error)
            else:
                trouble.over()
            await asyncio.sleep(SWEEP_SECONDS)

    async def _relay(self, commits: Sequence[Commit]) -> list[None]:
        await self._publish(commits)
        with suppress(Unavailable):
            for commit in commits:
                self._published.submit(commit.batch_id)
        return [None] * len(commits)

    async def _publish(self, commits: Sequence[Commit]) -> None:
        await self._publisher.publish(list(chain.from_iterable(map(_records, commits))))

    async def _forget(self, batch_ids: Sequence[UUID]) -> list[None]:
        await self._outbox.forget(batch_ids)
        return [None] * len(batch_ids)


def open_publisher(bootstrap: str) -> Publisher:
    return Publisher(bootstrap, SCORE_UPDATES.name, client_id="score-relay")


def _records(commit: Commit) -> list[Record]:
    return [_record(change, commit.ledger_epoch) for change in commit.changes]


def _record(change: Change, ledger_epoch: int) -> Record:
    headers = (("request_id", change.request_id.encode()),) if change.request_id else ()
    return Record(change.user_id.encode(), change.event(ledger_epoch), headers)
