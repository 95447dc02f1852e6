"""
The guards, each taken away once: the model has to notice.

Most are the product's own code with a part missing; what the product leaves to SQL and Lua is
missing in the twins in memory.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import Protocol
from unittest.mock import patch

from libs.common.errors import PublishFailed
from services.notification.domain import Snapshot
from services.notification.hub import Hub
from services.score.domain.changes import Commit
from services.score.domain.increments import Entry, Settled
from services.score.publisher import Relay
from services.scoreboard.domain import TOP_SIZE, Row, in_order
from services.scoreboard.usecases.audit import Audit, Report
from services.scoreboard.usecases.ports import Applied, Offsets
from tests.fakes_corrections import CorrectableLedger
from tests.model.memory import SavedBoard

REMEMBERED_KEYS = 3


class Breakage(Protocol):
    """A build without a guard, for as long as the context lasts."""

    __name__: str

    def __call__(self) -> AbstractContextManager[object]: ...


_apply, _stored, _publish = SavedBoard.apply, CorrectableLedger._stored, Relay._publish


def no_version_compare() -> AbstractContextManager[object]:
    """Whatever comes last is the newest."""

    async def apply(
        board: SavedBoard, epoch: int, rows: Sequence[Row], offsets: Offsets
    ) -> Applied:
        kept = board._of(epoch)
        for row in rows:
            kept.pop(row.user_id, None)
        return await _apply(board, epoch, rows, offsets)

    return patch.object(SavedBoard, "apply", apply)


def only_higher_scores() -> AbstractContextManager[object]:
    """As `ZADD GT`."""

    async def apply(
        board: SavedBoard, epoch: int, rows: Sequence[Row], offsets: Offsets
    ) -> Applied:
        kept = board._of(epoch)
        higher = [r for r in rows if r.user_id not in kept or r.score > kept[r.user_id].score]
        return await _apply(board, epoch, higher, offsets)

    return patch.object(SavedBoard, "apply", apply)


def only_ten_users() -> AbstractContextManager[object]:
    """The board keeps those whom it shows."""

    async def apply(
        board: SavedBoard, epoch: int, rows: Sequence[Row], offsets: Offsets
    ) -> Applied:
        done = await _apply(board, epoch, rows, offsets)
        shown = {row.user_id: row for row in in_order(board._boards[epoch].values())[:TOP_SIZE]}
        board._boards[epoch] = shown
        return done

    return patch.object(SavedBoard, "apply", apply)


def restart_unnoticed() -> AbstractContextManager[object]:
    """A board goes on after Redis has lost its last writes."""

    async def apply(
        board: SavedBoard, epoch: int, rows: Sequence[Row], offsets: Offsets
    ) -> Applied:
        board._runs[epoch] = board.run
        return await _apply(board, epoch, rows, offsets)

    return patch.object(SavedBoard, "apply", apply)


def one_epoch_for_ever() -> AbstractContextManager[object]:
    """A new board begins with the revs of the old one."""

    async def next_epoch(_: CorrectableLedger, *, reason: str, after: int) -> int:
        return max(after, 1)

    return patch.object(CorrectableLedger, "next_epoch", next_epoch)


def keys_expire() -> AbstractContextManager[object]:
    """Of all keys, the ledger knows the last few."""

    def stored(ledger: CorrectableLedger, entry: Entry) -> Settled | None:
        known = list(ledger.answers)[-REMEMBERED_KEYS:]
        return _stored(ledger, entry) if (entry.user_id, entry.key) in known else None

    return patch.object(CorrectableLedger, "_stored", stored)


def forgotten_unpublished() -> AbstractContextManager[object]:
    """The outbox is cleared whether Kafka took the batch or not."""

    async def publish(relay: Relay, commits: Sequence[Commit]) -> None:
        with suppress(PublishFailed):
            await _publish(relay, commits)

    return patch.object(Relay, "_publish", publish)


def no_outbox() -> AbstractContextManager[object]:
    """A batch is published by the process that committed it, or by nobody."""

    async def claim(ledger: CorrectableLedger, *, limit: int) -> list[Commit]:
        ledger._outbox.clear()
        return []

    return patch.object(CorrectableLedger, "claim", claim)


def audit_finds_nothing() -> AbstractContextManager[object]:
    """Without repairs of single users only: the sums would still lead to a new board."""

    async def once(_: Audit) -> Report:
        return Report("equal")

    return patch.object(Audit, "once", once)


def ledgers_are_all_the_same() -> AbstractContextManager[object]:
    """The events of a ledger that was lost are as good as those of the one that is there."""
    stamp = property(lambda row: (1, row.version))
    return patch.object(Row, "stamp", stamp)


def hub_takes_any_order() -> AbstractContextManager[object]:
    """The last snapshot to come is shown."""

    async def publish(hub: Hub, snapshot: Snapshot) -> bool:
        hub._snapshot = snapshot
        for client in hub._clients:
            client.write(snapshot.frames[client.variant])
        return True

    return patch.object(Hub, "publish", publish)


BROKEN: tuple[Breakage, ...] = (
    no_version_compare,
    only_higher_scores,
    only_ten_users,
    restart_unnoticed,
    one_epoch_for_ever,
    keys_expire,
    forgotten_unpublished,
    no_outbox,
    audit_finds_nothing,
    ledgers_are_all_the_same,
    hub_takes_any_order,
)
