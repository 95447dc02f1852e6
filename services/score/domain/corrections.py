"""
The life of a reversal case, and when a second person must agree.

    awaiting_approval ─▶ applying ─▶ applied ─▶ revert_awaiting_approval ─▶ reverting ─▶ reverted
           └─▶ withdrawn                                   └─▶ applied

A small case skips both waits. What is repeated is answered again, and changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from libs.common.contracts.corrections import CaseState, ReversalCase
from libs.common.errors import Conflict, Forbidden

ActName = Literal["approved", "revert_requested", "revert_approved"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as auth says it."""

    user_id: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class ApprovalLimits:
    """A case larger than either needs two people."""

    entries: int
    points: int

    def passed_by(self, *, entries: int, points: int) -> bool:
        return entries > self.entries or points > self.points


@dataclass(frozen=True, slots=True)
class Step:
    """A case's next state; `records` names the act by which it got there."""

    state: CaseState
    action: str
    actor: str
    reason: str = ""
    records: ActName | None = None


Decide = Callable[[ReversalCase], Step | None]
"""The step from a case's present state; None: it is there already. Raises `AppError`."""


def approve(actor: str) -> Decide:
    """Another person than the one who asked agrees."""

    def decide(case: ReversalCase) -> Step | None:
        if case.state == "awaiting_approval":
            _refuse_own(case.requested.by, actor)
            return Step("applying", "reversal.approved", actor, records="approved")
        if case.state == "revert_awaiting_approval" and case.revert_requested:
            _refuse_own(case.revert_requested.by, actor)
            return Step("reverting", "revert.approved", actor, records="revert_approved")
        if actor in {act.by for act in (case.approved, case.revert_approved) if act}:
            return None
        raise _contradiction(case, "waits for no approval")

    return decide


def withdraw(actor: str, reason: str) -> Decide:
    """What waits for approval is called off."""

    def decide(case: ReversalCase) -> Step | None:
        match case.state:
            case "awaiting_approval":
                return Step("withdrawn", "reversal.withdrawn", actor, reason)
            case "revert_awaiting_approval":
                return Step("applied", "revert.withdrawn", actor, reason)
            case "withdrawn":
                return None
            case _:
                raise _contradiction(case, "cannot be withdrawn; revert it")

    return decide


def revert(actor: str, reason: str) -> Decide:
    """Give back what a case took; with a second person if taking it needed one."""

    def decide(case: ReversalCase) -> Step | None:
        match case.state:
            case "applied" if case.preview.needs_approval:
                state: CaseState = "revert_awaiting_approval"
            case "applied":
                state = "reverting"
            case "revert_awaiting_approval" | "reverting" | "reverted":
                return None
            case _:
                raise _contradiction(case, "has nothing to give back yet")
        return Step(state, "revert.requested", actor, reason, records="revert_requested")

    return decide


def _refuse_own(requested_by: str, actor: str) -> None:
    if requested_by == actor:
        raise Forbidden("somebody else than the one who asked has to approve")


def _contradiction(case: ReversalCase, what: str) -> Conflict:
    return Conflict(f"case {case.case_id} is {case.state.replace('_', ' ')} and {what}")
