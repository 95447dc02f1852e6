"""Handing increments to the ledger: many requests, one call at a time per lane."""

import asyncio
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
        # A timer of the loop: `asyncio.timeout` costs more, and this is for every increment.
        timer = asyncio.get_running_loop().call_later(DEADLINE_SECONDS, _give_up, answering)
        answering.add_done_callback(lambda _: timer.cancel())
        return answering


def counted(answering: asyncio.Future[Answer]) -> Answer:
    """
    The new total, durable, of a future that is done.

    Raises what score refused; `Unavailable` means that the outcome is unknown.
    """
    answer = answering.result()
    if answer.refusal:
        raise refusal(answer.refusal, answer.detail, answer.retry_after_seconds)
    return answer


def _give_up(answering: asyncio.Future[Answer]) -> None:
    if not answering.done():
        answering.set_exception(Unavailable(OUTCOME_UNKNOWN))
