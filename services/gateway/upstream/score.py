"""Calls to score: increments in batches, and a user's own history."""

from collections.abc import Sequence

from libs.common import metrics
from libs.common.contracts.scores import Answer, AnswerBatch, Increment, IncrementBatch
from libs.common.errors import Unavailable
from services.gateway.upstream.peer import Peer
from services.gateway.usecases.doors import HistoryPage
from services.gateway.usecases.scores import OUTCOME_UNKNOWN

# Longer than the 2 s in which score itself gives up, shorter than the gateway's 3 s.
BATCH_TIMEOUT_SECONDS = 2.5


class ScoreClient:
    """Score."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def add(self, increments: Sequence[Increment]) -> Sequence[Answer]:
        """An answer per increment, in order. Raises `Unavailable`: the outcome is unknown."""
        metrics.HOP_BATCH.observe(len(increments))
        batch = IncrementBatch(items=list(increments))
        try:
            reply = await self._peer.call(
                "POST",
                "/internal/increments",
                body=batch.model_dump_json().encode(),
                timeout_seconds=BATCH_TIMEOUT_SECONDS,
            )
            answers = self._peer.read(AnswerBatch, reply).items
        except Unavailable:
            raise Unavailable(OUTCOME_UNKNOWN) from None
        if len(answers) != len(increments):
            raise Unavailable(OUTCOME_UNKNOWN)
        return answers

    async def entries(self, context: str, *, before: int | None, limit: int) -> HistoryPage:
        """Raises `Unavailable`."""
        params = {"limit": str(limit)} | ({"before": str(before)} if before is not None else {})
        reply = await self._peer.call(
            "GET", "/internal/entries", headers={"X-User-Context": context}, params=params
        )
        return self._peer.read(HistoryPage, reply)
