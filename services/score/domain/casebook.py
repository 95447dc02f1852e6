"""Reversal cases against the entries that they made: what must fit, and what does not."""

from collections.abc import Iterator
from dataclasses import dataclass

# By state: how many of the entries are chosen, reversed, restored, and done in this direction.
_NONE, _SOME, _ALL = "none", "done", "all"
_PROGRESS = {
    "awaiting_approval": (_ALL, _NONE, _NONE, _NONE),
    "applying": (_ALL, _SOME, _NONE, _SOME),
    "applied": (_ALL, _ALL, _NONE, _ALL),
    "withdrawn": (_NONE, _NONE, _NONE, _NONE),
    "revert_awaiting_approval": (_ALL, _ALL, _NONE, _ALL),
    "reverting": (_ALL, _ALL, _SOME, _SOME),
    "reverted": (_ALL, _ALL, _ALL, _ALL),
}
_UNAPPROVED = ("awaiting_approval", "withdrawn")
_GIVES_BACK = ("reverting", "reverted")


@dataclass(frozen=True, slots=True)
class Violation:
    """
    What does not hold. `check` is L1 … L12; without a user it is about a whole case or the board,
    and with seq 0 about a user's total.
    """

    check: str
    user_id: str
    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class Choice:
    """An increment that a case chose, and the entries by which it took and gave back."""

    case_id: str
    seq: int
    target_seq: int
    reversal_seq: int | None
    revert_seq: int | None


@dataclass(slots=True)
class Case:
    """A case as it is kept; the last three count the choices seen."""

    case_id: str
    state: str
    entries: int
    done: int
    needs_approval: bool
    requested_by: str
    reason: str
    approved_by: str | None
    revert_requested_by: str | None
    revert_reason: str | None
    revert_approved_by: str | None
    chosen: int = 0
    reversed: int = 0
    restored: int = 0

    def see(self, choice: Choice) -> None:
        """Count one of its choices."""
        self.chosen += 1
        self.reversed += choice.reversal_seq is not None
        self.restored += choice.revert_seq is not None

    def signs(self, delta: int, actor: str, reason: str | None) -> bool:
        """Whether a reversal by this case says who asked for it, and why."""
        if delta < 0:
            return bool(actor and reason) and (actor, reason) == (self.requested_by, self.reason)
        asked = (self.revert_requested_by, self.revert_reason)
        return bool(actor and reason) and (actor, reason) == asked

    def violations(self) -> Iterator[Violation]:
        """What is wrong with the case itself, once all its choices were seen."""
        for what in (*self._unsigned(), *self._miscounted()):
            yield Violation("L11", "", 0, f"case {self.case_id} is {self.state}, but {what}")

    def _unsigned(self) -> Iterator[str]:
        if not (self.requested_by and self.reason):
            yield "nobody asked for it, or without a reason"
        if self.state not in _UNAPPROVED and not self._agreed(self.approved_by, self.requested_by):
            yield "nobody else approved it"
        if self.state not in _GIVES_BACK:
            return
        if not (self.revert_requested_by and self.revert_reason):
            yield "nobody asked for the revert, or without a reason"
        if not self._agreed(self.revert_approved_by, self.revert_requested_by):
            yield "nobody else approved the revert"

    def _agreed(self, approver: str | None, requester: str | None) -> bool:
        return not self.needs_approval or approver not in (None, "", requester)

    def _miscounted(self) -> Iterator[str]:
        counts = {_NONE: 0, _SOME: self.done, _ALL: self.entries}
        wanted = tuple(counts[part] for part in _PROGRESS[self.state])
        if wanted != (seen := (self.chosen, self.reversed, self.restored, self.done)):
            yield f"(chosen, reversed, restored, done) are {seen}, not {wanted}"
