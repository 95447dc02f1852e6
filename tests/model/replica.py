"""One process of the scoreboard, put together as its `main.py` does, in turns."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import cast
from unittest.mock import patch

from libs.common.clock import system_clock
from libs.common.errors import LogGone
from libs.common.kafka import Message, Publisher
from libs.common.kafka.readers import Positions
from services.scoreboard.consumer import Consumer
from services.scoreboard.publisher import DeadLetters, SnapshotPublisher
from services.scoreboard.usecases.announce import Announcer
from services.scoreboard.usecases.apply import ApplyUpdates
from services.scoreboard.usecases.audit import Audit, Report
from services.scoreboard.usecases.ports import Ledger
from services.scoreboard.usecases.rebuild import Rebuild
from tests.model.actors import Actor
from tests.model.log import Log, Reader
from tests.model.ports import Board
from tests.model.screens import Announced

PLACE = {"region": "model", "board": "global"}
ALWAYS_SECONDS = 0.0
NEVER_SECONDS = 1e6

_names = count(1)
_alive: dict[str, "Replica"] = {}


class Replica:
    """Reads, announces and audits, each when it is told to."""

    def __init__(
        self, ledger: Ledger, board: Board, log: Log, parked: Log, announced: Announced
    ) -> None:
        self._name = f"replica-{next(_names)}"
        self._log = log
        self._held_back: list[Message] | LogGone = []
        self._reads: Actor[list[Message] | LogGone] = Actor()
        self._announces: Actor[None] = Actor()
        self._announcer = Announcer(
            _BoardInTurns(board, self._announces),
            SnapshotPublisher(cast(Publisher, announced), system_clock, **PLACE),
            window_seconds=ALWAYS_SECONDS,
            heartbeat_seconds=ALWAYS_SECONDS,
        )
        self._rebuild = Rebuild(board, ledger, log, system_clock)
        self._audit = Audit(
            board, ledger, self._rebuild, self._announcer, interval_seconds=NEVER_SECONDS
        )
        letters = DeadLetters(cast(Publisher, parked), system_clock)
        self._consumer = Consumer(
            "in turns",
            group="model",
            member=self._name,
            apply=ApplyUpdates(board, self._announcer, letters),
            announcer=self._announcer,
            audit=self._audit,
            rebuild=self._rebuild,
        )
        self._reader: Reader | None = None

    async def start(self) -> None:
        _alive[self._name] = self
        await self._reads.start(self._consumer.run())
        await self._announces.start(self._announcer.run())

    async def kill(self) -> None:
        await self._reads.kill()
        await self._announces.kill()
        _alive.pop(self._name, None)

    async def read(self, first: int, count: int) -> None:
        """Handle the next records, beginning with those of one partition."""
        await self._reads.turn(self._fetch(first, count))

    def hold_back(self, first: int, count: int) -> None:
        """Fetch records, and handle them at some other time."""
        self._held_back = self._fetch(first, count)

    async def read_held_back(self) -> None:
        """Handle what was fetched long ago."""
        await self._reads.turn(self._held_back)

    async def announce(self) -> None:
        """Say what is due."""
        await self._announces.turn(None)

    async def audit(self) -> Report:
        return await self._audit.once()

    async def rebuild(self, epoch: int) -> bool:
        return await self._rebuild.run("drill", epoch)

    def open_reader(self, positions: Positions) -> Reader:
        self._reader = Reader(self._log, self._reads, positions)
        return self._reader

    def _fetch(self, first: int, count: int) -> list[Message] | LogGone:
        assert self._reader is not None
        return self._reader.fetch(first, count)


class _BoardInTurns:
    """The board as an announcer sees it, whenever it has its turn."""

    def __init__(self, board: Board, actor: Actor[None]) -> None:
        self._board = board
        self._actor = actor
        self.due, self.announced = board.due, board.announced

    async def current(self) -> int:
        await self._actor.wait()
        return await self._board.current()


@contextmanager
def in_turns() -> Iterator[None]:
    """
    Consumers read in turns, nothing waits for time, and pages are so small that each boundary of
    them is met.
    """

    def open_reader(
        _bootstrap: str, _topic: str, *, group: str, member: str, positions: Positions
    ) -> Reader:
        return _alive[member].open_reader(positions)

    scoreboard = "services.scoreboard"
    with (
        patch(f"{scoreboard}.consumer.GroupReader", open_reader),
        patch(f"{scoreboard}.consumer.RETRY_SECONDS", 0),
        patch(f"{scoreboard}.usecases.announce.RETRY_SECONDS", 0),
        patch(f"{scoreboard}.usecases.audit.SETTLE_SECONDS", 0),
        patch(f"{scoreboard}.usecases.audit.PAGE_USERS", 4),
        patch(f"{scoreboard}.usecases.audit.PAGES_PER_ROUND", 2),
        patch(f"{scoreboard}.usecases.rebuild.PAGE_USERS", 5),
        patch(f"{scoreboard}.store.board.MAX_ROWS_PER_CALL", 4),
        patch("services.score.publisher.SWEEP_SECONDS", 0),
    ):
        yield
