"""
What a person does about suspicions: look through the queue, decide, switch the detector.

A review is decided once. What the ledger holds is changed by nothing but a reversal case.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from libs.common import metrics
from libs.common.contracts.corrections import ReversalCase, ReversalOrder, Selector
from libs.common.contracts.reviews import (
    Decision,
    Detector,
    Review,
    ReviewList,
    ReviewState,
    Rule,
    Switch,
)
from libs.common.errors import Unavailable
from libs.common.logs import Trouble
from services.score.domain.bots import review_case
from services.score.domain.corrections import Actor

COUNT_SECONDS = 5.0


class OpenReview(Protocol):
    """A review under decision; nobody else can decide one of the same user meanwhile."""

    review: Review
    since: datetime
    """When the suspicion's window began."""

    async def accept(self, actor: str, reason: str) -> Review:
        """An honest player: back on the board, if nothing but this kept them off it."""
        ...

    async def hold(self, actor: str, reason: str) -> Review:
        """Off the board until somebody releases them."""
        ...

    async def close_as_reversed(self, actor: str, reason: str, *, case_id: str) -> Review:
        """A case takes it from here."""
        ...


class Queue(Protocol):
    """Where reviews are kept. Every call may raise `Unavailable`."""

    def deciding(self, review_id: int) -> AbstractAsyncContextManager[OpenReview]:
        """All or nothing. Raises `NotFound`, and `Conflict` if it was decided before."""
        ...

    async def page(self, *, state: ReviewState | None, before: int, limit: int) -> ReviewList:
        """The newest first."""
        ...

    async def waiting(self) -> int:
        """How many wait for a person."""
        ...

    async def record_switch(self, actor: str, *, enabled: bool, reason: str) -> None:
        """For the audit."""
        ...


class Reversals(Protocol):
    """Where reversal cases are opened."""

    async def request(self, order: ReversalOrder, actor: Actor) -> tuple[ReversalCase, bool]:
        """The case, and whether it is new."""
        ...


class KillSwitch(Protocol):
    """Whether anything is measured. Every call may raise `Unavailable`."""

    async def enabled(self) -> bool: ...

    async def switch(self, *, enabled: bool) -> None: ...


class Reviews:
    """The review queue and the detector, as a moderator sees them."""

    def __init__(
        self, queue: Queue, reversals: Reversals, switch: KillSwitch, rules: Sequence[Rule]
    ) -> None:
        self._queue = queue
        self._reversals = reversals
        self._switch = switch
        self._rules = rules

    async def page(self, *, state: ReviewState | None, before: int, limit: int) -> ReviewList:
        """The newest first."""
        return await self._queue.page(state=state, before=before, limit=limit)

    async def decide(self, review_id: int, decision: Decision, actor: Actor) -> Review:
        """
        Carry out what a person decided.

        Raises `NotFound`; `Conflict` if it was decided before; and what the reversal is refused
        with: then the review stays open.
        """
        async with self._queue.deciding(review_id) as open_review:
            match decision.decision:
                case "accept":
                    return await open_review.accept(actor.user_id, decision.reason)
                case "hold":
                    return await open_review.hold(actor.user_id, decision.reason)
                case "reverse":
                    # First: a case that is there already is found again, should the rest fail.
                    order = _order(open_review, decision.reason)
                    await self._reversals.request(order, actor)
                    return await open_review.close_as_reversed(
                        actor.user_id, decision.reason, case_id=order.case_id
                    )

    async def count(self) -> None:
        """Say every 5 s how many wait, for ever."""
        trouble = Trouble("reviews_not_counted")
        while True:
            try:
                metrics.REVIEWS_OPEN.set(await self._queue.waiting())
            except Unavailable as error:
                trouble.met(error)
            else:
                trouble.over()
            await asyncio.sleep(COUNT_SECONDS)

    async def detector(self) -> Detector:
        """The rules, and whether they are asked at all."""
        return Detector(enabled=await self._switch.enabled(), rules=list(self._rules))

    async def switch(self, order: Switch, actor: Actor) -> Detector:
        """Ask the rules, or do not; on all replicas, from the next batch on."""
        await self._switch.switch(enabled=order.enabled)
        await self._queue.record_switch(actor.user_id, enabled=order.enabled, reason=order.reason)
        return Detector(enabled=order.enabled, rules=list(self._rules))


def _order(suspect: OpenReview, reason: str) -> ReversalOrder:
    """Everything that the user earned since the suspicion's window began."""
    return ReversalOrder(
        case_id=review_case(suspect.review.review_id),
        selector=Selector(user_id=suspect.review.user_id, from_=suspect.since),
        reason=reason,
    )
