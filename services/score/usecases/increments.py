"""
Accepting increments: who sends it, may they, may they now, and then the ledger.

A batch comes in and as many answers go out; a refusal of one item never touches another.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from libs.common import errors, metrics
from libs.common.clock import Clock
from libs.common.contracts.scores import Answer, Increment
from libs.common.errors import AppError
from services.score.domain.bounds import seconds_to_midnight
from services.score.domain.increments import Entry, Outcome, Settled
from services.score.domain.rates import Decision
from services.score.usecases.admission import Admission
from services.score.usecases.ports import History, Ledger, Limiter

Submitted = Mapping[Entry, asyncio.Future[Settled]]


class AcceptIncrements:
    """Turns increments into ledger entries, and answers each."""

    def __init__(
        self,
        admission: Admission,
        limiter: Limiter,
        ledger: Ledger,
        history: History,
        clock: Clock,
    ) -> None:
        self._admission = admission
        self._limiter = limiter
        self._ledger = ledger
        self._history = history
        self._clock = clock
        self._in_flight: dict[Entry, asyncio.Future[Settled]] = {}

    async def answer(self, items: Sequence[Increment]) -> list[Answer]:
        """One answer per increment, in order. Nothing is raised: a refusal is an answer."""
        checked = [await self._check(item) for item in items]
        entries = dict.fromkeys(entry for entry in checked if isinstance(entry, Entry))
        # A repetition of what is under way is no new request: it waits for the same answer.
        joined = {e: self._in_flight[e] for e in entries if e in self._in_flight}
        fresh = [e for e in entries if e not in joined]
        decisions = dict(zip(fresh, await self._take(fresh), strict=True))
        stored = await self._find([e for e in fresh if not decisions[e].allowed])
        pending = {e: self._submit(e) for e in fresh if decisions[e].allowed}
        await self._settled(pending, joined)

        answers = []
        for entry in checked:
            if isinstance(entry, AppError):
                answer = _refused(entry)
            elif entry in pending:
                joined[entry] = pending.pop(entry)
                answer = self._read(entry, joined[entry], decisions[entry].remaining)
            elif entry in joined:
                answer = _as_replay(self._read(entry, joined[entry], 0))
            elif (known := stored.get(entry)) is not None:
                answer = self._answer(entry, known, remaining=0)
            else:
                answer = _limited(entry, decisions[entry])
            answers.append(answer)
        results = Counter(a.refusal or ("replayed" if a.replayed else "accepted") for a in answers)
        for result, count in results.items():
            metrics.ANSWERS.labels(result).inc(count)
        return answers

    async def _check(self, item: Increment) -> Entry | AppError:
        try:
            return await self._admission.entry(item)
        except AppError as error:
            return error

    async def _take(self, entries: list[Entry]) -> list[Decision]:
        return await self._limiter.take([e.user_id for e in entries]) if entries else []

    async def _find(self, limited: list[Entry]) -> dict[Entry, Settled | None]:
        """A retry of what was counted gets its answer, however often it is sent."""
        if not limited:
            return {}
        try:
            return dict(zip(limited, await self._history.find(limited), strict=True))
        except errors.Unavailable:
            return {}

    def _submit(self, entry: Entry) -> asyncio.Future[Settled]:
        try:
            future = self._ledger.submit(entry.user_id, entry)
        except errors.Unavailable as error:
            future = asyncio.get_running_loop().create_future()
            future.set_exception(error)
            return future
        self._in_flight[entry] = future
        return future

    async def _settled(self, pending: Submitted, joined: Submitted) -> None:
        """Wait for all of them; whoever stops waiting takes the answer from nobody."""
        try:
            if pending or joined:
                await asyncio.wait([*pending.values(), *joined.values()])
        finally:
            for entry, future in pending.items():
                if self._in_flight.get(entry) is future:
                    del self._in_flight[entry]

    def _read(self, entry: Entry, future: asyncio.Future[Settled], remaining: int) -> Answer:
        try:
            return self._answer(entry, future.result(), remaining=remaining)
        except AppError as error:
            return _refused(error, entry.user_id)

    def _answer(self, entry: Entry, settled: Settled, *, remaining: int) -> Answer:
        match settled.outcome:
            case Outcome.ACCEPTED | Outcome.REPLAYED:
                return Answer(
                    user_id=entry.user_id,
                    new_score=settled.balance,
                    version=settled.version,
                    replayed=settled.outcome is Outcome.REPLAYED,
                    remaining=remaining,
                )
            case Outcome.KEY_REUSED:
                reused = errors.KeyReused("this Idempotency-Key was used before with another body")
                return _refused(reused, entry.user_id)
            case Outcome.LIMIT_REACHED:
                full = errors.ScoreLimitReached("the total would pass 2^53-1")
                return _refused(full, entry.user_id)
            case Outcome.DAY_LIMIT_REACHED:
                spent = errors.DayLimitReached(
                    "this would pass the most that you may earn on one day",
                    retry_after_seconds=seconds_to_midnight(self._clock.now()),
                )
                return _refused(spent, entry.user_id)


def _as_replay(answer: Answer) -> Answer:
    return answer if answer.refusal else answer.model_copy(update={"replayed": True})


def _limited(entry: Entry, decision: Decision) -> Answer:
    return _refused(
        errors.RateLimited(
            "too many requests; the limit is per user",
            retry_after_seconds=decision.retry_after_seconds,
        ),
        entry.user_id,
    )


def _refused(error: AppError, user_id: str = "") -> Answer:
    return Answer(
        user_id=user_id,
        refusal=error.code,
        detail=str(error),
        retry_after_seconds=error.retry_after_seconds,
    )
