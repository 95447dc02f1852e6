"""Reversal cases of the world's ledger: chosen, approved, worked on, given back."""

from dataclasses import dataclass
from uuid import UUID

from libs.common.contracts.corrections import Act, ReversalCase, ReversalOrder, ReversalPreview
from libs.common.errors import Conflict
from services.score.domain.changes import Commit
from services.score.domain.corrections import Decide
from tests.simulation.ledger import LedgerServer, Line

# A larger case needs two people.
ALONE_ENTRIES = 3


@dataclass
class _Case:
    case: ReversalCase
    lines: list[Line]
    done: int = 0


class Casework:
    """What `Cases` and `score.work_on_case` promise; every call is one transaction."""

    def __init__(self, ledger: LedgerServer) -> None:
        self._ledger = ledger
        self._cases: dict[str, _Case] = {}

    def open(self, order: ReversalOrder, actor: str) -> tuple[ReversalCase, bool]:
        """A case over increments that count and are in no other; and whether it is new."""
        if order.case_id in self._cases:
            return self._cases[order.case_id].case, False
        user = order.selector.user_id or ""
        taken = {id(line) for case in self._open_cases() for line in case.lines}
        lines = [
            line
            for line in self._ledger.lines.get(user, ())
            if line.seq in (order.selector.seqs or ())
            and line.kind == "increment"
            and self._ledger.counts(line)
            and id(line) not in taken
        ]
        if not lines:
            raise Conflict("nothing to reverse")
        two = len(lines) > ALONE_ENTRIES
        case = ReversalCase(
            case_id=order.case_id,
            state="awaiting_approval" if two else "applying",
            selector=order.selector,
            preview=_preview(lines, needs_approval=two),
            entries=len(lines),
            done=0,
            requested=Act(by=actor, at=self._ledger.clock.now(), reason=order.reason),
        )
        self._cases[order.case_id] = _Case(case, lines)
        return case, True

    def move(self, case_id: str, decide: Decide) -> ReversalCase:
        """Take the step that `decide` says."""
        known = self._cases[case_id]
        step = decide(known.case)
        if step is None:
            return known.case
        known.done = 0
        changed: dict[str, object] = {"state": step.state}
        if step.records is not None:
            changed[step.records] = Act(by=step.actor, at=self._ledger.clock.now())
        known.case = known.case.model_copy(update=changed)
        return known.case

    def work(self, batch: UUID, limit: int) -> Commit | None:
        """The next entries of the oldest case at work."""
        working = (c for c in self._cases.values() if c.case.state in ("applying", "reverting"))
        known = next(working, None)
        if known is None:
            return None
        gives_back = known.case.state == "reverting"
        lines = known.lines[::-1] if gives_back else known.lines
        part = lines[known.done : known.done + limit]
        for line in part:
            self._ledger.take_back(line)
        users = sorted({line.user for line in part})
        for user in users:
            self._ledger.stand_since(user)
        known.done += len(part)
        if known.done == len(lines):
            state = "reverted" if gives_back else "applied"
            known.case = known.case.model_copy(update={"state": state})
        changes = [self._ledger.state(user, "reversal") for user in users]
        return self._ledger.queue(batch, changes)

    def _open_cases(self) -> list[_Case]:
        return [c for c in self._cases.values() if c.case.state not in ("withdrawn", "reverted")]


def _preview(lines: list[Line], *, needs_approval: bool) -> ReversalPreview:
    return ReversalPreview(
        users=1,
        entries=len(lines),
        points=sum(line.delta for line in lines),
        already_reversed=0,
        needs_approval=needs_approval,
        changes=[],
        top_10_before=[],
        top_10_after=[],
    )
