"""What a moderator and `score` say about suspects: the review queue, and the rules behind it."""

from datetime import datetime
from typing import Literal

from pydantic import Field, StrictBool

from libs.common.contracts.corrections import Order, Why
from libs.common.contracts.values import Contract, UserId

RuleAction = Literal["observe", "tag", "hold"]
ReviewState = Literal["open", "accepted", "held", "reversed"]


class Review(Contract):
    """A suspicion that waits for a person; `held` says whether the user is off the board now."""

    review_id: int
    user_id: UserId
    rule: str
    action: RuleAction
    evidence: dict[str, object]
    state: ReviewState
    held: bool
    opened_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None
    case_id: str | None = Field(default=None, description="the reversal that followed, if one did")


class ReviewList(Contract):
    """Reviews, newest first; `next` is the `before` of the next page, empty on the last."""

    reviews: list[Review]
    next: str = ""


class Decision(Order):
    """
    What a person decides: accept (and release, if the rule held), hold, or reverse.

    `reverse` opens the case `review-<id>` over what the user earned since the suspicion's window
    began.
    """

    decision: Literal["accept", "hold", "reverse"]
    reason: Why


class Rule(Contract):
    """A rule of the detector. In shadow it counts what it would have done, and does nothing."""

    name: str
    signal: str
    window_seconds: int
    threshold: float
    action: RuleAction
    shadow: bool


class Detector(Contract):
    """The rules, and whether they are asked at all."""

    enabled: bool
    rules: list[Rule]


class Switch(Order):
    """The kill switch."""

    enabled: StrictBool
    reason: Why
