"""
Reads `score-updates` as a member of the region's group, and keeps the board current.

Every trouble has one of three answers: wait and repeat (Redis or Kafka away), go to where the
board says (a newer board is shown), or build a new board (something was lost). If records wait
and none was handled for 15 s, the process ends, and is started anew: aiokafka is known to hang. A
group that is forming anew may take a minute: it waits for members that do not answer.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog

from libs.common.contracts.topics import SCORE_UPDATES
from libs.common.errors import BrokerTrouble, LogGone, Unavailable
from libs.common.kafka import GroupReader, Message
from libs.common.logs import Trouble
from services.scoreboard.usecases.announce import Announcer
from services.scoreboard.usecases.apply import ApplyUpdates
from services.scoreboard.usecases.audit import Audit
from services.scoreboard.usecases.ports import BoardGone, BoardUnavailable, Gap
from services.scoreboard.usecases.rebuild import Rebuild

MAX_RECORDS = 2000
READ_TIMEOUT_MS = 200
RETRY_SECONDS = 0.5
WATCH_SECONDS = 5.0
STUCK_SECONDS = 15.0
FORMING_SECONDS = 60.0

_log = structlog.get_logger()


class Stuck(Exception):
    """Records wait and nothing is handled."""

    def __init__(self, lag: int, seconds: float) -> None:
        super().__init__(f"{lag} records wait, none was handled for {seconds:.0f} s")
        self.seconds = seconds


class Consumer:
    """One group member; `run` and `watch` are its two tasks."""

    def __init__(
        self,
        bootstrap: str,
        *,
        group: str,
        member: str,
        apply: ApplyUpdates,
        announcer: Announcer,
        audit: Audit,
        rebuild: Rebuild,
    ) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._member = member
        self._apply = apply
        self._announcer = announcer
        self._audit = audit
        self._rebuild = rebuild
        self._reader: GroupReader | None = None
        self._log_gone: LogGone | None = None
        self._handled = 0
        self._waiting_for_redis = False
        self._waiting_for_board = False
        self._redis = Trouble("waiting_for_redis")
        self._reached: dict[int, int] = {}

    async def run(self) -> None:
        """Read and apply, for ever."""
        trouble = Trouble("consumer_waits")
        while True:
            reader = GroupReader(
                self._bootstrap,
                SCORE_UPDATES.name,
                group=self._group,
                member=self._member,
                positions=self._apply.locate,
            )
            try:
                await reader.open()
                self._reader = reader
                trouble.over()
                self._audit.request()
                await self._follow(reader)
            except (BrokerTrouble, Unavailable, BoardUnavailable) as error:
                trouble.met(error)
            finally:
                self._reader = None
                await reader.close()
            await asyncio.sleep(RETRY_SECONDS)

    async def watch(self) -> None:
        """Commit and look every 5 s; raise `Stuck` when nothing moves though it could."""
        handled, still = -1, 0.0
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await self._commit()
            lag = await self._lag()
            busy = self._waiting_for_redis or self._waiting_for_board
            if lag == 0 or self._handled != handled or busy:
                handled, still = self._handled, 0.0
                continue
            still += WATCH_SECONDS  # not by the clock: a process that was stopped did not hang
            forming = self._reader is None or not self._reader.settled
            if still >= (FORMING_SECONDS if forming else STUCK_SECONDS):
                raise Stuck(lag, still)

    async def _follow(self, reader: GroupReader) -> None:
        caught_up = False
        while True:
            try:
                if self._log_gone is not None:
                    error, self._log_gone = self._log_gone, None
                    raise error
                messages = await reader.read(max_records=MAX_RECORDS, timeout_ms=READ_TIMEOUT_MS)
                # While catching up, what the board shows on the way is old news.
                if not caught_up and reader.assigned and len(messages) < MAX_RECORDS:
                    caught_up = True
                    self._announcer.refresh()
                # An empty batch, too: another replica may show a new board, and as long as nobody
                # scores, that is how we learn that we wrote our last to the old one.
                await self._handle(messages, announce=caught_up)
            except BoardGone:
                caught_up = False
                await self._relocate(reader)
            except LogGone as error:
                _log.warning("log_gone", detail=str(error))
                caught_up = False
                await self._renew(reader, "log-lost", self._apply.epoch)
            except Gap as error:
                _log.warning("redis_lost_writes", detail=str(error))
                caught_up = False
                await self._renew(reader, "redis-lost-writes", self._apply.epoch)

    async def _handle(self, messages: Sequence[Message], *, announce: bool) -> None:
        reached = {message.partition: message.offset + 1 for message in messages}
        values = [message.value for message in messages]
        try:
            while not await self._applied(values, reached, announce=announce):
                self._waiting_for_redis = True
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            if self._waiting_for_redis:
                self._waiting_for_redis = False
                self._audit.request()
        self._waiting_for_board = False
        self._handled += len(messages)
        self._reached.update(reached)

    async def _applied(
        self, values: Sequence[bytes | None], reached: Mapping[int, int], *, announce: bool
    ) -> bool:
        try:
            await self._apply.handle(values, reached, announce=announce)
        except BoardUnavailable as error:
            self._redis.met(error)
            return False
        self._redis.over()
        return True

    async def _relocate(self, reader: GroupReader) -> None:
        """Another board is shown, or none is."""
        try:
            await reader.locate()
        except BoardGone as gone:
            await self._renew(reader, "missing", gone.epoch)

    async def _renew(self, reader: GroupReader, reason: str, epoch: int) -> None:
        self._waiting_for_board = True  # for as long as a large ledger takes, whoever builds it
        if not await self._rebuild.run(reason, epoch):
            await asyncio.sleep(RETRY_SECONDS)  # another is building it, or has built it
        with suppress(BoardGone):  # not yet; the next batch finds that out
            await reader.locate()

    async def _commit(self) -> None:
        """Tell the group how far we are; that is for people who look at its lag."""
        reached, self._reached = self._reached, {}
        if self._reader is not None:
            await self._reader.commit(reached)

    async def _lag(self) -> int:
        if self._reader is None:
            return 0
        try:
            return await self._reader.lag()
        except LogGone as error:
            self._log_gone = error
        except BrokerTrouble:
            pass
        return 0
