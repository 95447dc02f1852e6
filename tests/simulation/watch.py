"""
Properties, in Antithesis' words: what must hold `always`, and what must happen `sometimes`.

A fault that never met the code that is there for it proves nothing; so a campaign in which a
`sometimes` was never hit has failed, too.
"""

from collections.abc import Callable, Iterable

from services.score.domain.changes import Change
from services.scoreboard.domain import Row

SOMETIMES = (
    "a batch that was left behind is published",
    "a board was replaced under a writer",
    "a builder died, and its lock ran out",
    "a commit of unknown outcome was found committed",
    "a commit of unknown outcome was found absent",
    "a group gave a member up, and it came back",
    "a producer was replaced",
    "a reader's commit was refused",
    "a redis that came back with less took no update",
    "a retry got the first answer again",
    "a reversal took a user out of the top ten",
    "a reversal was given back",
    "a screen was slow, and dropped",
    "a tie at rank 10 and 11",
    "a user at the limit got a stored answer",
    "a zombie's updates changed nothing",
    "an audit repaired the board",
    "an increment counted while kafka and redis were away",
    "an unreadable record was parked",
    "an update was a duplicate, or late",
    "records were written, but not acknowledged",
    "ten changes became one announcement",
    "the board was rebuilt under load",
    "the log was lost",
    "the rate limit was local",
)


class Watch:
    """What was seen of the properties in one world."""

    def __init__(self, note: Callable[[str, str], None]) -> None:
        self._note = note
        self._states: dict[tuple[str, int, int], tuple[int, bool]] = {}
        self.broken: list[str] = []
        self.hit: dict[str, None] = {}
        self.pairs: set[tuple[str, int]] = set()
        self.changes: list[Change] = []

    def always(self, holds: bool, promise: str, detail: str = "") -> None:
        """This must hold, every time."""
        if not holds:
            self.broken.append(f"{promise}: {detail}" if detail else promise)
            self._note("PROMISE BROKEN", self.broken[-1])

    def sometimes(self, what: str) -> None:
        """This must happen in some world of a campaign."""
        assert what in SOMETIMES, what
        if what not in self.hit:
            self.hit[what] = None
            self._note("sometimes", what)

    def changed(self, change: Change, ledger_epoch: int) -> None:
        """The ledger has a new state of a user."""
        self.changes.append(change)
        key = (change.user_id, ledger_epoch, change.version)
        self._states[key] = (change.score, change.held)

    def held(self, user: str, balance: int) -> None:
        """The ledger has an entry after which a user has so many points."""
        self.pairs.add((user, balance))

    def rows(self, rows: Iterable[Row]) -> None:
        """A board keeps these states: each must be one that the ledger had."""
        for row in rows:
            known = self._states.get((row.user_id, row.ledger_epoch, row.version))
            self.always(
                known == (row.score, row.held),
                "a board keeps only what the ledger had",
                f"{row} was {known}",
            )
