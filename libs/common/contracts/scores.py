"""What `score` says: an event for each change of a total, and the bodies of its internal calls."""

from datetime import datetime
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from libs.common.contracts.values import PRINTABLE_PATTERN, Contract, Total, UserId

ChangeKind = Literal["increment", "reversal", "adjustment", "hold", "release"]
IdempotencyKey = Annotated[str, Field(min_length=1, max_length=128, pattern=PRINTABLE_PATTERN)]


class ScoreUpdated(Contract):
    """
    A user's total is now `new_score`: the state, never the difference.

    Of two events of one user the one with the larger `(ledger_epoch, version)` holds, in whatever
    order they arrive and however often. `timestamp` is when this total was reached.
    """

    user_id: UserId
    new_score: Total
    timestamp: datetime
    event_id: str
    version: int = Field(ge=1)
    ledger_epoch: int = Field(ge=1, description="PostgreSQL's timeline: grows at each failover")
    kind: ChangeKind = "increment"
    held: bool = Field(default=False, description="counted, but not shown on the public board")
    schema_: Literal[1] = Field(default=1, alias="schema")


class Increment(Contract):
    """One increment on its way from the gateway to the ledger; `context` says whose it is."""

    context: str = Field(description="the user context that auth signed, a JWT of 60 s")
    idempotency_key: str = Field(
        default="",
        max_length=128,
        pattern=PRINTABLE_PATTERN,
        description="empty: the grant counts once, by its id",
    )
    score_increment: int = Field(ge=1)
    request_id: str = ""
    fingerprint: str = Field(default="", pattern=r"^([0-9a-f]{32})?$")
    grant: str = Field(default="", description="an action grant that auth signed, if one was sent")

    @model_validator(mode="after")
    def _counts_once(self) -> Self:
        if not (self.idempotency_key or self.grant):
            raise ValueError("an increment needs an idempotency_key or a grant")
        return self


class IncrementBatch(Contract):
    """What the gateway sends to score in one call; the answers come in the same order."""

    items: list[Increment] = Field(max_length=500)


class Answer(Contract):
    """What became of one increment: either a total, or the code of a refusal."""

    user_id: str = ""
    new_score: int = 0
    version: int = 0
    replayed: bool = False
    refusal: str = Field(default="", description="a code of `libs.common.errors`, empty if counted")
    detail: str = ""
    retry_after_seconds: float = 0
    remaining: int = Field(default=0, description="requests left in the user's rate limit")


class AnswerBatch(Contract):
    """The answers to an `IncrementBatch`, in its order."""

    items: list[Answer]


class LedgerRow(NamedTuple):
    """
    A user's state in the ledger, as a page of `GET /internal/totals` lists it: an array in JSON.

    Not a model, and no time: of a million users, each costs what its reading costs.
    """

    user_id: str
    score: int
    version: int
    reached_us: int
    held: bool


class LedgerPage(Contract):
    """Users in the order of their ids, after a cursor; `next` is empty on the last page."""

    ledger_epoch: int
    rows: list[LedgerRow]
    next: str = ""


class LedgerDigest(Contract):
    """Sums over all users, to compare a board with the ledger at the cost of one call."""

    ledger_epoch: int
    users: int
    points: int
    versions: int
