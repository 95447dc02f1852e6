"""PostgreSQL and Valkey, through the product's stores."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import asyncpg
from redis.asyncio import Redis

from libs.common.contracts.corrections import ReversalOrder, Selector
from libs.common.errors import Unavailable
from libs.devstack import provision
from services.score.domain.changes import Commit
from services.score.domain.corrections import ApprovalLimits, revert
from services.score.store.books import Books
from services.score.store.cases import Cases
from services.score.store.database import open_engine
from services.score.store.ledger import LedgerLane
from services.score.store.users import Users
from services.scoreboard.domain import TOP_SIZE, Top
from services.scoreboard.store.board import Keys, RedisBoard, open_redis
from services.scoreboard.store.pages import Pages
from tests import servers
from tests.model.stage import Stage

MODERATOR, WHY = "mara", "the model says so"
NO_APPROVAL = ApprovalLimits(entries=10**6, points=2**53)
CONNECTIONS = 2

# Not `board_epoch`: a restored one is made up for by the clock (ADR 4), but the clock of a test
# stands nearly still while boards are built by the dozen.
_TABLES = ("user_score", "score_entry", "outbox", "reversal_case", "case_entry", "audit")
_BACK_UP = ";".join(
    f"DELETE FROM past.{table}; INSERT INTO past.{table} SELECT * FROM score.{table}"  # noqa: S608
    for table in _TABLES
)
_RESTORE = ";".join(
    f"DELETE FROM score.{table};"  # noqa: S608
    f"INSERT INTO score.{table} OVERRIDING SYSTEM VALUE SELECT * FROM past.{table}"
    for table in _TABLES
)
_NO_TRIGGERS = "SET LOCAL session_replication_role = replica"
_PAST = "DROP SCHEMA IF EXISTS past CASCADE; CREATE SCHEMA past;" + ";".join(
    f"CREATE TABLE past.{table} (LIKE score.{table})" for table in _TABLES
)
_FORGET_PAST = ";".join(f"DELETE FROM past.{table}" for table in _TABLES)  # noqa: S608

_numbers = count(1)


class PostgresLedger:
    """The ledger's stores, and an administrator who can restore it."""

    def __init__(self, admin: asyncpg.Connection, url: str) -> None:
        self._admin = admin
        self._engine = open_engine(url, name="model", connections=CONNECTIONS)
        self._lane = LedgerLane(url)
        self._books = books = Books(self._engine)
        self._cases = Cases(self._engine, NO_APPROVAL)
        self._users = Users(self._engine)
        self._timeline = 1
        self.append = self._lane.append
        self.work = self._cases.work
        self.totals, self.top, self.digest = books.totals, books.top, books.digest
        self.entries = books.entries
        self.claim, self.forget, self.backlog = books.claim, books.forget, books.backlog

    async def next_epoch(self, *, reason: str, after: int) -> int:
        return await self._books.next_epoch(
            board="global", region="model", reason=reason, after=after
        )

    async def set_held(self, user_id: str, *, held: bool) -> Commit:
        _, commit = await self._users.set_held(user_id, held=held, actor=MODERATOR, reason=WHY)
        return commit

    async def take_back(self, case_id: str, user_id: str, keys: Sequence[str]) -> None:
        selector = Selector(user_id=user_id, idempotency_keys=list(keys))
        order = ReversalOrder(case_id=case_id, selector=selector, reason=WHY)
        await self._cases.open(order, MODERATOR)

    async def give_back(self, case_id: str) -> None:
        await self._cases.move(case_id, revert(MODERATOR, WHY))

    async def expire_leases(self) -> None:
        await self._admin.execute("UPDATE score.outbox SET leased_until = '-infinity'")

    async def back_up(self) -> None:
        await self._admin.execute(_BACK_UP)

    async def restore(self) -> None:
        self._timeline += 1
        await self._go_back()

    async def empty(self) -> None:
        """As on its first day."""
        self._timeline = 1
        await self._admin.execute(_FORGET_PAST)
        await self._go_back()

    async def close(self) -> None:
        await self._lane.close()
        await self._engine.dispose()

    async def _go_back(self) -> None:
        await self._lane.close()  # no connection outlives a restore
        async with self._admin.transaction():
            await self._admin.execute(_NO_TRIGGERS)
            await self._admin.execute(_RESTORE)
            await self._admin.execute(
                "CREATE OR REPLACE FUNCTION score.ledger_epoch() RETURNS bigint LANGUAGE sql"
                f" AS 'SELECT {self._timeline}::bigint'"
            )


class ValkeyBoard(RedisBoard):
    """A board of its own region, whose server may restart."""

    def __init__(self, redis: Redis, raw: Redis, keys: Keys) -> None:
        super().__init__(redis, keys)
        self._raw = raw
        self._own = f"{keys.prefix}*"
        self._pages = Pages(redis, keys, "global")
        self._saved: dict[Any, Any] = {}

    async def shown(self) -> Top | None:
        try:
            page = await self._pages.page(offset=0, limit=TOP_SIZE)
        except Unavailable:
            return None
        entries = tuple((entry.user_id, entry.score) for entry in page.entries)
        return Top(page.epoch, page.rev, entries)

    async def save(self) -> None:
        self._saved = {key: await self._raw.dump(key) for key in await self._raw.keys(self._own)}

    async def restart(self, *, loses_tail: bool) -> None:
        if loses_tail:
            await self._unlink()
            for key, value in self._saved.items():
                await self._raw.restore(key, 0, value)
        # What tells one run from another is the server's id, which is kept with the board.
        for meta in await self._raw.keys(f"{self._own}:meta"):
            await self._raw.hset(meta, "run_id", "another run")
        await self._raw.script_flush()

    async def wipe(self) -> None:
        self._saved = {}
        await self._unlink()

    async def _unlink(self) -> None:
        keys = await self._raw.keys(self._own)
        if keys:
            await self._raw.unlink(*keys)


class RealStage(Stage):
    """One database and one Valkey; each sequence finds the ledger empty and a region unused."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        super().__init__()
        self._database_url = database_url
        self._redis_url = redis_url
        self._ledger: PostgresLedger | None = None

    async def open(self) -> tuple[PostgresLedger, ValkeyBoard]:
        if self._ledger is None:
            self._admin = await asyncpg.connect(self._database_url)
            await self._admin.execute(_PAST)
            url = self._database_url
            url = provision.with_login(url, provision.SCORE.role, servers.PASSWORD)
            self._ledger = PostgresLedger(self._admin, url)
            self._redis = open_redis(self._redis_url)
            self._raw = Redis.from_url(self._redis_url)
        await self._ledger.empty()
        board = ValkeyBoard(self._redis, self._raw, Keys(f"model{next(_numbers)}", "global"))
        return self._ledger, board

    async def close(self) -> None:
        if self._ledger is not None:
            await self._ledger.close()
            await self._admin.close()
            await self._redis.aclose()
            await self._raw.aclose()
