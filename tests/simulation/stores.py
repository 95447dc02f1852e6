"""The doors of the product's stores: what asks PostgreSQL and Redis, but for the lanes."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar
from uuid import UUID, uuid4

from redis.exceptions import ConnectionError as RedisConnectionError

from libs.common.contracts.corrections import HoldState, ReversalCase, ReversalOrder
from libs.common.contracts.scores import LedgerDigest, LedgerPage
from libs.common.errors import Unavailable
from services.score.domain.changes import Commit
from services.score.domain.corrections import Decide
from services.score.domain.increments import Entry, Settled
from services.score.domain.rates import Rate, admit
from services.score.store.limiter import TIMEOUT_SECONDS as LIMITER_SECONDS
from services.scoreboard.store.board import ANSWER_SECONDS
from services.scoreboard.usecases.ports import BoardUnavailable
from tests.simulation.process import Process
from tests.simulation.wires import Server

POOL_SECONDS = 2.0
UPSTREAM_SECONDS = 5.0
# Small, so that a few users make several pages, and a few entries several commits.
PAGE_USERS = 6
CASE_ENTRIES = 2

T = TypeVar("T")


class SimBooks:
    """`services.score.store.books.Books`, and the same pages as scoreboard asks score for them."""

    def __init__(self, process: Process, *, patience: float = POOL_SECONDS) -> None:
        self._process = process
        self._ledger = process.world.ledger
        self._patience = patience

    async def find(self, entries: Sequence[Entry]) -> list[Settled | None]:
        return await self._ask(lambda: at_once(self._ledger.find(entries)))

    async def totals(self, *, after: str, limit: int) -> LedgerPage:
        size = min(limit, PAGE_USERS)
        return await self._ask(lambda: at_once(self._ledger.totals(after=after, limit=size)))

    async def top(self, *, limit: int) -> LedgerPage:
        return await self._ask(lambda: at_once(self._ledger.top(limit=limit)))

    async def digest(self) -> LedgerDigest:
        return await self._ask(lambda: at_once(self._ledger.digest()))

    async def next_epoch(self, *, reason: str, after: int) -> int:
        return await self._ask(lambda: at_once(self._ledger.next_epoch(reason=reason, after=after)))

    async def claim(self, *, limit: int) -> list[Commit]:
        commits = await self._ask(lambda: self._ledger.claim(limit))
        if commits:
            self._process.world.sometimes("a batch that was left behind is published")
        return commits

    async def forget(self, batch_ids: Sequence[UUID]) -> None:
        await self._ask(lambda: self._ledger.forget(batch_ids))

    async def backlog(self) -> tuple[int, float]:
        return await self._ask(self._ledger.backlog)

    async def _ask(self, act: Callable[[], T]) -> T:
        return await self._process.world.wires.ask(
            self._ledger, act, error=Unavailable, patience=self._patience
        )


class SimDesk:
    """`Cases` and `Users`: what moderators ask of the ledger."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._casework = process.world.casework

    async def open(self, order: ReversalOrder, actor: str) -> tuple[ReversalCase, bool]:
        return await self._ask(lambda: self._casework.open(order, actor))

    async def move(self, case_id: str, decide: Decide) -> ReversalCase:
        return await self._ask(lambda: self._casework.move(case_id, decide))

    async def work(self, *, limit: int) -> Commit | None:
        size, batch = min(limit, CASE_ENTRIES), uuid4()
        return await self._ask(lambda: self._casework.work(batch, size))

    async def set_held(
        self, user_id: str, *, held: bool, actor: str, reason: str
    ) -> tuple[HoldState, Commit]:
        batch, ledger = uuid4(), self._process.world.ledger
        commit = await self._ask(lambda: ledger.set_held(batch, user_id, held=held))
        row = ledger.rows[user_id]
        return HoldState(user_id=user_id, held=held, score=row.score, version=row.version), commit

    async def _ask(self, act: Callable[[], T]) -> T:
        world = self._process.world
        return await world.wires.ask(world.ledger, act, error=Unavailable, patience=POOL_SECONDS)


class SimBoard:
    """All ports of the board: every method of the server, asked over the wires."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def ask(*args: Any, **options: Any) -> Any:
            world = self._process.world
            method = getattr(world.board, name)
            return await world.wires.ask(
                world.board,
                lambda: at_once(method(*args, **options)),
                error=BoardUnavailable,
                patience=ANSWER_SECONDS,
            )

        return ask


class SimRateRedis:
    """The Redis client that `RedisLimiter` gets; its one script is `rate_limit.lua`."""

    def __init__(self, process: Process, server: Server, tats: dict[str, int], rate: Rate) -> None:
        self._process = process
        self._server = server
        self._tats = tats
        self._rate = rate

    def register_script(self, _text: str) -> Callable[..., Coroutine[Any, Any, str]]:
        return self._run

    async def _run(self, keys: Sequence[str], _arguments: Sequence[int]) -> str:
        def count() -> str:
            now_us = int(world.redis_clock.seconds() * 1_000_000)
            flat = []
            for key in keys:
                tat, decision = admit(self._tats.get(key, 0), now_us, self._rate)
                self._tats[key] = tat
                wait_us = round(decision.retry_after_seconds * 1_000_000)
                flat += [int(decision.allowed), decision.remaining, wait_us]
            return " ".join(map(str, flat))

        world = self._process.world
        return await world.wires.ask(
            self._server, count, error=RedisConnectionError, patience=LIMITER_SECONDS
        )


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a twin's coroutine, which waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise AssertionError("a twin waited for something")
