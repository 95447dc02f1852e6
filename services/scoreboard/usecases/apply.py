"""
Updates become the board: parse, keep the newest per user, one call per batch.

Nothing here counts deliveries: a message may come twice, late or out of order, and the board is
the same.
"""

from collections.abc import Mapping, Sequence
from time import perf_counter

import structlog
from pydantic import ValidationError

from libs.common import metrics
from libs.common.contracts.scores import ScoreUpdated
from services.scoreboard.domain import Row, newest
from services.scoreboard.usecases.announce import Announcer
from services.scoreboard.usecases.ports import Board, BoardGone, Parking

_log = structlog.get_logger()


class ApplyUpdates:
    """Applies what one group member reads to the current board."""

    def __init__(self, board: Board, announcer: Announcer, parking: Parking) -> None:
        self._board = board
        self._announcer = announcer
        self._parking = parking
        self._epoch = 0
        self._reached: dict[int, int] = {}

    @property
    def epoch(self) -> int:
        """The board that updates go to."""
        return self._epoch

    async def locate(self, partitions: frozenset[int]) -> Mapping[int, int | None]:
        """
        Where to read from: what the board keeps beside its state; None is the beginning.

        Raises `BoardGone` if there is no board, or one that takes no more updates because Redis
        was restarted; `BoardUnavailable`.
        """
        epoch = await self._board.current()
        if epoch == 0 or await self._board.server_changed(epoch):
            raise BoardGone(epoch)
        known = await self._board.offsets(epoch)
        self._epoch = epoch
        self._reached = {partition: known.get(partition, 0) for partition in partitions}
        return {partition: known.get(partition) for partition in partitions}

    async def handle(
        self, values: Sequence[bytes | None], reached: Mapping[int, int], *, announce: bool
    ) -> None:
        """
        Apply a batch; `reached` is the next offset by partition. Repeating it changes nothing.

        An empty one finds out whether the board is still shown. Raises `BoardUnavailable`,
        `BoardGone`, `Gap`, or what parking raises.
        """
        rows = newest([row for value in values if (row := await self._read(value)) is not None])
        started = perf_counter()
        done = await self._board.apply(
            self._epoch, rows, {p: (self._reached.get(p, 0), n) for p, n in reached.items()}
        )
        if values:
            metrics.APPLY_SECONDS.observe(perf_counter() - started)
        metrics.EVENTS.labels("applied").inc(done.count)
        metrics.EVENTS.labels("skipped").inc(len(values) - done.count)
        self._reached.update(reached)
        if done.top is not None and announce:
            self._announcer.changed()

    async def _read(self, value: bytes | None) -> Row | None:
        try:
            return Row.of_event(ScoreUpdated.model_validate_json(value or b""))
        except ValidationError as error:
            reason = f"{error.error_count()} errors, first: {error.errors()[0]['type']}"
            _log.warning("event_parked", reason=reason)
            metrics.EVENTS.labels("parked").inc()
            await self._parking.park(value, reason)
            return None
