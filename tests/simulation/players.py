"""Who posts increments, and who corrects them: each goes on under the same key until a verdict."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from libs.common.contracts.corrections import ReversalOrder, Selector
from libs.common.contracts.scores import Answer, Increment
from libs.common.errors import AppError, Unavailable
from services.score.domain.corrections import Actor
from services.score.usecases.corrections import Corrections
from tests.oracle.history import Request

if TYPE_CHECKING:
    from tests.simulation.world import World

PATIENCE_SECONDS = 4.0
RETRY_SECONDS = 0.2
THINK_SECONDS = 0.25
# Small and few, so that ties are common.
POINTS = (1, 1, 2, 3, 5)
TWICE_AT_ONCE = 0.05
OTHER_BODY = 0.03
MODERATORS = ("mod-1", "mod-2")

T = TypeVar("T")


class Player:
    """A source of increments for any user, one after the other."""

    def __init__(self, world: "World", number: int, users: list[str], dice: Random) -> None:
        self._world = world
        self._number = number
        self._users = users
        self._dice = dice

    async def play(self, increments: int) -> None:
        """Post so many, each until it has a verdict."""
        for n in range(increments):
            await asyncio.sleep(self._dice.random() * THINK_SECONDS)
            user = self._dice.choice(self._users)
            points = self._dice.choice(POINTS)
            request = Request(user, f"{self._number}-{n}", points, self._world.loop.time())
            self._world.history.requests.append(request)
            await self._settle(request)
            if self._dice.random() < OTHER_BODY:
                await self._reuse(request)

    async def _settle(self, request: Request) -> None:
        while not request.verdict:
            request.attempts += 1
            copies = 2 if self._dice.random() < TWICE_AT_ONCE else 1
            tries = (self._attempt(request) for _ in range(copies))
            answers = [answer for answer in await asyncio.gather(*tries) if answer is not None]
            for answer in answers:
                self._hear(request, answer)
            if not request.verdict:
                wait = max((a.retry_after_seconds for a in answers), default=0)
                await asyncio.sleep(max(wait, RETRY_SECONDS))

    async def _attempt(self, request: Request, points: int = 0) -> Answer | None:
        increment = Increment(
            context=request.user,
            idempotency_key=request.key,
            score_increment=points or request.points,
        )
        service = self._dice.choice(self._world.scores)
        try:
            answers: list[Answer] = await self._world.wires.request(
                service, lambda parts: parts.accept.answer([increment]), patience=PATIENCE_SECONDS
            )
        except (OSError, TimeoutError):
            return None
        return answers[0]

    def _hear(self, request: Request, answer: Answer) -> None:
        world = self._world
        if answer.refusal:
            world.watch.always(
                answer.refusal in ("unavailable", "rate-limited"),
                "what is valid is not refused",
                answer.refusal,
            )
            return
        told = (answer.version, answer.new_score)
        if request.verdict:
            world.watch.always(told == (request.seq, request.score), "an answer stays the same")
        elif request.attempts > 1 and answer.replayed:
            world.watch.sometimes("a retry got the first answer again")
        if answer.replayed and not answer.remaining and world.at_limit(request.user):
            world.watch.sometimes("a user at the limit got a stored answer")
        request.seq, request.score = told
        request.replayed |= answer.replayed
        if not request.verdict:
            request.verdict, request.ended = "acked", world.loop.time()
            world.note("player", f"{request.user} {request.key} is {told}")
            if not world.broker.up and not world.board.up:
                world.watch.sometimes("an increment counted while kafka and redis were away")

    async def _reuse(self, request: Request) -> None:
        """The same key with another body must be refused."""
        answer = await self._attempt(request, request.points + 1)
        if answer is not None:
            self._world.watch.always(
                answer.refusal in ("idempotency-key-reused", "unavailable", "rate-limited"),
                "a key does not stand for two bodies",
                answer.refusal,
            )


class Moderator:
    """Takes increments back, gives some of them back again, and holds users for a while."""

    def __init__(self, world: "World", dice: Random) -> None:
        self._world = world
        self._dice = dice

    async def work(self, cases: int) -> None:
        """Open so many cases, one after the other."""
        for number in range(cases):
            await asyncio.sleep(self._dice.random() * 10 * THINK_SECONDS)
            if not (top := self._world.truth()[:10]):
                continue
            user, _ = self._dice.choice(top)
            if self._dice.random() < 0.3:
                await self._hold(user)
            else:
                await self._reverse(f"case-{number}", user)

    async def _hold(self, user: str) -> None:
        await self._until_done(lambda c: c.set_held(user, held=True, actor=_actor(0), reason="why"))
        await asyncio.sleep(self._dice.random())
        await self._until_done(
            lambda c: c.set_held(user, held=False, actor=_actor(0), reason="why")
        )

    async def _reverse(self, case_id: str, user: str) -> None:
        lines = [line.seq for line in self._world.ledger.lines[user] if line.kind == "increment"]
        seqs = self._dice.sample(lines, self._dice.randint(1, min(6, len(lines))))
        selector = Selector(user_id=user, seqs=sorted(seqs))
        order = ReversalOrder(case_id=case_id, selector=selector, reason="why")
        before = dict(self._world.truth()[:10])
        opened = await self._until_done(lambda c: c.request(order, _actor(0)))
        if opened is None:
            return
        if opened[0].state == "awaiting_approval":
            await self._until_done(lambda c: c.approve(case_id, _actor(1)))
        await asyncio.sleep(2 * self._dice.random())
        if user in before and user not in dict(self._world.truth()[:10]):
            self._world.watch.sometimes("a reversal took a user out of the top ten")
        if self._dice.random() < 0.4:
            await self._until_done(lambda c: c.revert(case_id, _actor(0), "why"))
            await self._until_done(lambda c: c.approve(case_id, _actor(1)))
            self._world.watch.sometimes("a reversal was given back")

    async def _until_done(self, act: Callable[[Corrections], Coroutine[Any, Any, T]]) -> T | None:
        """Ask until there is a verdict; None is a refusal."""
        while True:
            service = self._dice.choice(self._world.scores)
            try:
                return await self._world.wires.request(
                    service, lambda parts: act(parts.corrections), patience=PATIENCE_SECONDS
                )
            except (OSError, TimeoutError, Unavailable):
                await asyncio.sleep(RETRY_SECONDS)
            except AppError:
                return None


def _actor(number: int) -> Actor:
    return Actor(MODERATORS[number], frozenset({"fraud:write"}))
