"""
Who is calling: bearer tokens judged by auth, remembered for a short while.

Fails closed: without an answer from auth there is no verdict, but those still remembered hold.
Remembers no refusals, and no verdict past the end of its token or of its user context. A verdict
that is used in the last third of its time is renewed meanwhile, and nobody waits for that.

Auth is asked about many tokens at a time. It may have to fetch another issuer's keys first, so a
token of a kind that auth has not vouched for yet never travels with those that it knows.
"""

import asyncio
import re
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from cachetools import LRUCache

from libs.common import metrics
from libs.common.clock import Clock, system_clock
from libs.common.contracts.identities import Verdict
from libs.common.errors import AppError, Unauthenticated, Unavailable
from libs.common.memory import Memory
from libs.common.tasks import spawn
from libs.common.tokens import MAX_TOKEN_CHARACTERS

MAX_AGE_SECONDS = 30.0
MAX_VERDICTS = 100_000
MAX_QUESTIONS = 1000
PATIENCE_SECONDS = 5.0
MAX_KINDS = 100
RENEWED_AFTER = 2 / 3
# Renewals are asked for together: auth's price of a question is ten times that of a verdict.
RENEWAL_GATHER_SECONDS = 0.5

# A context is shown to score and notification after we looked: it must outlive the whole request.
CONTEXT_MARGIN_SECONDS = 10.0

_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_HIT, _MISS, _JOINED, _RENEWED, _REFUSED = (
    metrics.VERDICTS.labels(source) for source in ("hit", "miss", "joined", "renewed", "refused")
)


Judged = Verdict | Unauthenticated | Unavailable
"""What auth says of one token."""


class Questions(Protocol):
    """Auth, through a lane."""

    def submit(self, item: str) -> asyncio.Future[Judged]:
        """Ask about a token soon. Raises `Unavailable` when too many wait."""
        ...


class Denylist(Protocol):
    """Whose tokens no longer count, as pushed by auth."""

    def covers(self, *, user_id: str, jti: str, issued_at: datetime) -> bool: ...


class _Known(NamedTuple):
    """`renew_at` is of the monotonic clock."""

    verdict: Verdict
    renew_at: float


class JudgeToken:
    """Turns a bearer token into a verdict, asking auth once however many requests wait for it."""

    def __init__(
        self,
        familiar: Questions,
        strange: Questions,
        renewals: Questions,
        denylist: Denylist,
        clock: Clock = system_clock,
    ) -> None:
        self._familiar = familiar
        self._strange = strange
        self._renewals = renewals
        self._kinds: LRUCache[str, None] = LRUCache(MAX_KINDS)
        self._denylist = denylist
        self._clock = clock
        self._memory = Memory[_Known](MAX_VERDICTS, clock)
        self._questions: dict[str, asyncio.Future[Verdict]] = {}
        self._asking: set[asyncio.Task[Any]] = set()

    async def __call__(self, token: str) -> Verdict:
        """Raises `Unauthenticated` or `Unavailable`."""
        verdict = self._recall(token)
        if verdict is None:
            verdict = await self._ask_once(token)
        else:
            _HIT.inc()
        # At every request, not when remembering: a revocation must not wait for the cache.
        if self._is_revoked(verdict):
            _REFUSED.inc()
            raise Unauthenticated("the token was revoked")
        return verdict

    def remembered(self, token: str) -> Verdict | None:
        """The verdict on a token that auth need not be asked about, and that was not revoked."""
        verdict = self._recall(token)
        if verdict is None or self._is_revoked(verdict):
            return None
        _HIT.inc()
        return verdict

    def _recall(self, token: str) -> Verdict | None:
        known = self._memory.get(token)
        if known is None:
            return None
        if self._clock.monotonic() >= known.renew_at and self._may_renew(token):
            _RENEWED.inc()
            self._ask(token, self._renewals)
        return known.verdict

    def _may_renew(self, token: str) -> bool:
        return token not in self._questions and len(self._questions) < MAX_QUESTIONS

    def _remember(self, token: str, verdict: Verdict) -> None:
        lasting = self._lifetime_seconds(verdict)
        renew_at = self._clock.monotonic() + lasting * RENEWED_AFTER
        self._memory.put(token, _Known(verdict, renew_at), lasting)

    def _is_revoked(self, verdict: Verdict) -> bool:
        return self._denylist.covers(
            user_id=verdict.user_id, jti=verdict.jti, issued_at=verdict.issued_at
        )

    async def _ask_once(self, token: str) -> Verdict:
        question = self._questions.get(token)
        if question is None:
            _MISS.inc()
            question = self._ask_about(token)
        else:
            _JOINED.inc()
        # Shielded: a caller that gives up must not take the answer from the others.
        return await asyncio.shield(question)

    def _ask_about(self, token: str) -> asyncio.Future[Verdict]:
        if len(token) > MAX_TOKEN_CHARACTERS or not _JWT.fullmatch(token):
            _REFUSED.inc()
            raise Unauthenticated("the token is not valid")
        if len(self._questions) >= MAX_QUESTIONS:
            raise Unavailable("too many sign-ins are being checked; try again shortly")
        return self._ask(token, self._familiar if _kind(token) in self._kinds else self._strange)

    def _ask(self, token: str, lane: Questions) -> asyncio.Future[Verdict]:
        question: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._questions[token] = question
        spawn(self._answer(token, question, lane), self._asking, name="judge-token")
        return question

    async def _answer(self, token: str, question: asyncio.Future[Verdict], lane: Questions) -> None:
        try:
            verdict = await _judged(token, lane)
            if self._clock.now() >= verdict.expires_at:
                raise Unauthenticated("the token has expired")
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait for the verdict
            if isinstance(error, Unauthenticated):
                _REFUSED.inc()
                self._memory.forget(token)
            question.set_exception(error)
            question.exception()  # callers that went away must not turn this into a warning
        else:
            self._kinds[_kind(token)] = None
            self._remember(token, verdict)
            question.set_result(verdict)
        finally:
            del self._questions[token]

    def _lifetime_seconds(self, verdict: Verdict) -> float:
        now = self._clock.now()
        return min(
            MAX_AGE_SECONDS,
            (verdict.expires_at - now).total_seconds(),
            (verdict.context_expires_at - now).total_seconds() - CONTEXT_MARGIN_SECONDS,
        )


async def _judged(token: str, lane: Questions) -> Verdict:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            judged = await lane.submit(token)
    except TimeoutError:
        raise Unavailable("too many sign-ins are being checked; try again shortly") from None
    if isinstance(judged, AppError):
        raise judged
    return judged


def _kind(token: str) -> str:
    """The header: the same for all tokens of one key."""
    return token.partition(".")[0]
