"""Handing increments to the ledger: many requests, one call at a time per lane."""

import asyncio
from collections import deque
from typing import Protocol

from libs.common.contracts.identities import Verdict
from libs.common.contracts.scores import Answer, Increment
from libs.common.errors import Unavailable, refusal

# Longer than score's own 2 s, so that score's word on what happened comes first.
DEADLINE_SECONDS = 3.0
MAX_BATCH = 500
MAX_WAITING = 5000

OUTCOME_UNKNOWN = (
    "it is not known whether the increment was counted; "
    "send it again with the same Idempotency-Key or Action-Grant, and it counts once"
)


class Ledger(Protocol):
    """Score, through the lanes."""

    def submit(self, key: str, item: Increment) -> asyncio.Future[Answer]:
        """Send soon; items with the same `key` in this order. Raises `Unavailable` when full."""
        ...


class AddScore:
    """Counts one increment for its caller."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        # All have the same patience, so one timer is enough: for whoever came first.
        self._answering: deque[tuple[float, asyncio.Future[Answer]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def submit(
        self,
        caller: Verdict,
        points: int,
        *,
        idempotency_key: str,
        request_id: str,
        fingerprint: str = "",
        grant: str = "",
    ) -> asyncio.Future[Answer]:
        """
        Count soon: `counted` reads what comes. With a grant the key may be empty, for the grant
        counts once, too. Raises `Unavailable` if too many wait.
        """
        increment = Increment(
            context=caller.context,
            idempotency_key=idempotency_key,
            score_increment=points,
            request_id=request_id,
            fingerprint=fingerprint,
            grant=grant,
        )
        answering = self._ledger.submit(caller.user_id, increment)
        self._bound(answering)
        return answering

    def _bound(self, answering: asyncio.Future[Answer]) -> None:
        loop = asyncio.get_running_loop()
        while self._answering and self._answering[0][1].done():
            self._answering.popleft()
        self._answering.append((loop.time() + DEADLINE_SECONDS, answering))
        if self._timer is None:
            self._timer = loop.call_later(DEADLINE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        loop = asyncio.get_running_loop()
        while self._answering:
            due, answering = self._answering[0]
            if not answering.done():
                if due > loop.time():
                    break
                answering.set_exception(Unavailable(OUTCOME_UNKNOWN))
            self._answering.popleft()
        waits = self._answering[0][0] if self._answering else None
        self._timer = None if waits is None else loop.call_at(waits, self._give_up)


def counted(answering: asyncio.Future[Answer]) -> Answer:
    """
    The new total, durable, of a future that is done.

    Raises what score refused; `Unavailable` means that the outcome is unknown.
    """
    answer = answering.result()
    if answer.refusal:
        raise refusal(answer.refusal, answer.detail, answer.retry_after_seconds)
    return answer
