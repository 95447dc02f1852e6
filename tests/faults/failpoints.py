"""
Named places in the product where a process can be made to kill itself, with no line of it there.

`arming` puts them in place. Standard library only: it is imported before anything else is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

# How long the calls take, roughly, in which a process dies "during".
CALL_SECONDS = 0.003
COPY_SECONDS = 0.03

Moment = Literal["before", "during", "after"]


@dataclass(frozen=True)
class Failpoint:
    """
    A place: before, during or after a call of `attribute` in `module`, `when` its arguments agree.

    Load brings processes to most places; to the others it takes the death of `cause`. "During" is
    a random moment of the first `seconds`, or the call's end if that comes before.
    """

    name: str
    moment: Moment
    module: str
    attribute: str
    cause: str = ""
    when: Callable[..., bool] = lambda *_, **__: True
    seconds: float = CALL_SECONDS

    @property
    def service(self) -> str:
        """Who dies."""
        return self.module.split(".")[1]


def _some_have_it(hub: Any, _client: Any) -> bool:
    """The newest snapshot is on some screens, and not yet on all."""
    return len({client.sent == hub.position for client in hub._clients}) == 2


def _has_messages(_apply: Any, values: Any, *_: Any, **__: Any) -> bool:
    return bool(values)


def _has_rows(_board: Any, _epoch: Any, rows: Any, _offsets: Any) -> bool:
    return bool(rows)


_GATEWAY = "services.gateway"
_AUTH = "services.auth.usecases.verdicts"
_LANE = "services.score.store.ledger"
_BOOKS = "services.score.store.books"
_RELAY = "services.score.publisher"
_APPLY = "services.scoreboard.usecases.apply"
_ANNOUNCE = "services.scoreboard.usecases.announce"
_REBUILD = "services.scoreboard.usecases.rebuild"
_BOARD = "services.scoreboard.store.board"
_HUB = "services.notification.hub"

FAILPOINTS = {
    point.name: point
    for point in (
        Failpoint("gateway.forwarding", "during", f"{_GATEWAY}.upstream.score", "ScoreClient.add"),
        Failpoint("gateway.forwarded", "after", f"{_GATEWAY}.upstream.score", "ScoreClient.add"),
        Failpoint("auth.judging", "during", _AUTH, "Judge.__call__"),
        Failpoint("auth.judged", "after", _AUTH, "Judge.__call__"),
        # The ledger's lane: nothing was sent; no answer has come; it is on disk and nobody knows.
        Failpoint("score.before-commit", "before", _LANE, "LedgerLane._append"),
        Failpoint("score.committing", "during", _LANE, "LedgerLane._append"),
        Failpoint("score.committed", "after", _LANE, "LedgerLane._append"),
        # The relay: nothing is on Kafka; some may be; all is, and the outbox still has it.
        Failpoint("score.offered", "before", _RELAY, "Relay._publish"),
        Failpoint("score.producing", "during", _RELAY, "Relay._publish"),
        Failpoint("score.produced", "before", _BOOKS, "Books.forget"),
        Failpoint("score.deleting", "during", _BOOKS, "Books.forget"),
        # `_change` reads what a sweeper claimed: batches that a dead process has left.
        Failpoint("score.claimed", "before", _BOOKS, "_change", cause="score.committed"),
        # Read from Kafka, and what became of it on the board.
        Failpoint("scoreboard.fetched", "before", _APPLY, "ApplyUpdates._read"),
        Failpoint(
            "scoreboard.applying", "during", _BOARD, "RedisBoard._apply_slice", when=_has_rows
        ),
        Failpoint("scoreboard.applied", "after", _APPLY, "ApplyUpdates.handle", when=_has_messages),
        # Inside the window: changed, not announced; its turn to say so; said, and not noted.
        Failpoint("scoreboard.changed", "after", _ANNOUNCE, "Announcer.changed"),
        Failpoint("scoreboard.due", "before", _ANNOUNCE, "Announcer._announce"),
        Failpoint("scoreboard.said", "before", _BOARD, "RedisBoard.announced"),
        # A Redis that was restarted may have lost its last second: the board is built anew.
        Failpoint("rebuild.begun", "after", _BOARD, "RedisBoard.begin", cause="valkey"),
        Failpoint(
            "rebuild.copying",
            "during",
            _REBUILD,
            "Rebuild._copy",
            cause="valkey",
            seconds=COPY_SECONDS,
        ),
        Failpoint("rebuild.copied", "before", _BOARD, "RedisBoard.finish", cause="valkey"),
        Failpoint("rebuild.shown", "after", _BOARD, "RedisBoard.finish", cause="valkey"),
        Failpoint("notification.heard", "before", _HUB, "Hub.publish"),
        Failpoint("notification.fan-out", "after", _HUB, "Hub._offer", when=_some_have_it),
        Failpoint("notification.joined", "after", _HUB, "Hub.join", cause="notification"),
    )
}
