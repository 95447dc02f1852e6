"""What a moderator and `score` say to each other: reversals, holds, a user's ledger, the audit."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StrictBool, StrictInt, model_validator

from libs.common.contracts.boards import TopEntry
from libs.common.contracts.scores import ChangeKind, IdempotencyKey
from libs.common.contracts.values import MAX_TOTAL, TEXT_PATTERN, Contract, Moment, Total, UserId

CASE_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
FINGERPRINT_PATTERN = r"^([0-9a-f]{16}|[0-9a-f]{32})$"
MAX_NAMED_ENTRIES = 1000
MAX_LISTED_USERS = 1000

CaseId = Annotated[str, Field(pattern=CASE_ID_PATTERN, examples=["fraud-2026-11"])]
Fingerprint = Annotated[
    str,
    Field(
        pattern=FINGERPRINT_PATTERN, description="16 hex digits: the client; 32: and its network"
    ),
]
Why = Annotated[
    str, Field(min_length=1, max_length=500, pattern=TEXT_PATTERN, examples=["bought points"])
]
CaseState = Literal[
    "awaiting_approval",
    "applying",
    "applied",
    "withdrawn",
    "revert_awaiting_approval",
    "reverting",
    "reverted",
]


class Order(Contract):
    """What somebody asks for; an unknown field is a mistake, not something to pass over."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Selector(Order):
    """
    Which increments: one user's (all, by number, by key, by time), or those of a fingerprint.

    `from` is included, `to` is not; both are the times at which the ledger accepted.
    """

    user_id: UserId | None = None
    seqs: list[Annotated[StrictInt, Field(ge=1, le=MAX_TOTAL)]] | None = Field(
        default=None, min_length=1, max_length=MAX_NAMED_ENTRIES
    )
    idempotency_keys: list[IdempotencyKey] | None = Field(
        default=None, min_length=1, max_length=MAX_NAMED_ENTRIES
    )
    from_: Moment | None = Field(default=None, alias="from")
    to: Moment | None = None
    fingerprint: Fingerprint | None = None

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if self.user_id is None and self.fingerprint is None:
            raise ValueError("name a user_id, a fingerprint, or both")
        named = self.seqs is not None or self.idempotency_keys is not None
        if self.seqs is not None and self.idempotency_keys is not None:
            raise ValueError("give seqs or idempotency_keys, not both")
        if named and self.user_id is None:
            raise ValueError("seqs and idempotency_keys are a user's: name the user_id")
        if named and (self.from_ or self.to or self.fingerprint):
            raise ValueError("seqs and idempotency_keys stand alone, beside the user_id")
        if self.from_ and self.to and self.from_ >= self.to:
            raise ValueError("from must be earlier than to")
        return self


class ReversalOrder(Order):
    """
    Take these increments back, under a case. The same `case_id` and selector again is no new case.
    """

    case_id: CaseId
    selector: Selector
    reason: Why
    dry_run: StrictBool = Field(default=False, description="only say what would happen")


class Reason(Order):
    """Why somebody does something."""

    reason: Why


class UserChange(Contract):
    """What a case means for one user."""

    user_id: UserId
    entries: int = Field(description="how many of the user's increments")
    score_before: Total
    score_after: Total


class ReversalPreview(Contract):
    """What a case does, or did: measured when its entries were chosen."""

    users: int
    entries: int
    points: int
    already_reversed: int = Field(description="matching increments that another case took back")
    needs_approval: bool
    changes: list[UserChange] = Field(
        max_length=MAX_LISTED_USERS, description="at most 1000, those who lose most first"
    )
    top_10_before: list[TopEntry]
    top_10_after: list[TopEntry]


class Act(Contract):
    """Who did something, when and why."""

    by: UserId
    at: datetime
    reason: str = ""


class ReversalCase(Contract):
    """A case and how far it is; `done` of `entries` are reversed (or restored, in a revert)."""

    case_id: CaseId
    state: CaseState
    selector: Selector
    preview: ReversalPreview
    entries: int
    done: int
    requested: Act
    approved: Act | None = None
    revert_requested: Act | None = None
    revert_approved: Act | None = None
    finished_at: datetime | None = None


class ReversalList(Contract):
    """
    Cases, newest first, without `preview.changes`.

    `next` is the `before` of the next page, empty on the last.
    """

    cases: list[ReversalCase]
    next: str = ""


class HoldState(Contract):
    """A user after hold or release."""

    user_id: UserId
    held: bool
    score: Total
    version: int


class LedgerLine(Contract):
    """One entry of a user's ledger."""

    seq: int
    delta: int
    balance_after: Total
    kind: ChangeKind
    idempotency_key: str | None
    fingerprint: str | None
    reverses_seq: int | None
    case_id: str | None
    actor: str
    reason: str | None
    created_at: datetime


class LedgerView(Contract):
    """A user's total at a time, recomputed from the entries up to it, and those entries."""

    user_id: UserId
    score: Total
    version: int
    held: bool = Field(description="now, not then")
    erased: bool = False
    at: datetime | None = None
    entries: list[LedgerLine] = Field(description="newest first")
    next: str = Field(default="", description="`before` of the next page; empty on the last")


class AuditLine(Contract):
    """One act that was not a player's."""

    id: int
    at: datetime
    actor: str
    action: str = Field(examples=["reversal.requested"])
    user_id: str | None = None
    case_id: str | None = None
    reason: str = ""
    detail: dict[str, object] = Field(default_factory=dict)


class AuditPage(Contract):
    """Acts, newest first; `next` is the `before` of the next page, empty on the last."""

    acts: list[AuditLine]
    next: str = ""
