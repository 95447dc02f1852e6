"""
Corrections by people: reversal cases, holds, erasures.

A case's entries are chosen when it is opened and reversed in the background, some at a time, so
that players notice nothing; whichever process is alive goes on with it.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from time import perf_counter
from typing import Protocol

from libs.common.contracts.corrections import (
    AuditPage,
    HoldState,
    LedgerView,
    ReversalCase,
    ReversalList,
    ReversalOrder,
    ReversalPreview,
)
from libs.common.errors import Unavailable
from libs.common.logs import Trouble
from services.score.domain.changes import Commit
from services.score.domain.corrections import Actor, Decide, approve, revert, withdraw

LOOK_SECONDS = 0.5
ENTRIES_PER_COMMIT = 100
# Of the database's time that a case takes while it is worked on; the rest is the players'.
SHARE_OF_TIME = 0.3
NEWEST = 2**53


class Cases(Protocol):
    """Where reversal cases are kept. Every call may raise `Unavailable`."""

    async def preview(self, order: ReversalOrder) -> ReversalPreview: ...

    async def open(self, order: ReversalOrder, actor: str) -> tuple[ReversalCase, bool]:
        """The case, and whether it is new."""
        ...

    async def find(self, case_id: str) -> ReversalCase:
        """Raises `NotFound`."""
        ...

    async def page(
        self, *, state: str | None, before: int, limit: int
    ) -> tuple[list[ReversalCase], int | None]:
        """The newest cases first, and where the next page begins."""
        ...

    async def move(self, case_id: str, decide: Decide) -> ReversalCase:
        """Take the step that `decide` says."""
        ...

    async def work(self, *, limit: int) -> Commit | None:
        """Work on the oldest case that needs it; None: there is none."""
        ...


class Users(Protocol):
    """Single users. Every call may raise `Unavailable`, and `NotFound` where one is named."""

    async def set_held(
        self, user_id: str, *, held: bool, actor: str, reason: str
    ) -> tuple[HoldState, Commit]: ...

    async def erase(self, user_id: str, *, actor: str, reason: str) -> tuple[HoldState, Commit]: ...

    async def ledger(
        self, user_id: str, *, at: datetime | None, seq: int | None, before: int, limit: int
    ) -> LedgerView: ...

    async def audit(
        self, *, user_id: str | None, case_id: str | None, before: int, limit: int
    ) -> AuditPage: ...


class Corrections:
    """What a moderator can do; `offer` publishes a commit."""

    def __init__(self, cases: Cases, users: Users, offer: Callable[[Commit], None]) -> None:
        self._cases = cases
        self._users = users
        self._offer = offer
        self._wanted = asyncio.Event()

    async def preview(self, order: ReversalOrder) -> ReversalPreview:
        """What the case would do."""
        return await self._cases.preview(order)

    async def request(self, order: ReversalOrder, actor: Actor) -> tuple[ReversalCase, bool]:
        """Open a case, or find it again; and whether it is new."""
        case, is_new = await self._cases.open(order, actor.user_id)
        self._wanted.set()
        return case, is_new

    async def approve(self, case_id: str, actor: Actor) -> ReversalCase:
        """Let a large case begin, or its revert."""
        return await self._move(case_id, approve(actor.user_id))

    async def withdraw(self, case_id: str, actor: Actor, reason: str) -> ReversalCase:
        """Call off what waits for approval."""
        return await self._move(case_id, withdraw(actor.user_id, reason))

    async def revert(self, case_id: str, actor: Actor, reason: str) -> ReversalCase:
        """Give back what the case took."""
        return await self._move(case_id, revert(actor.user_id, reason))

    async def find(self, case_id: str) -> ReversalCase:
        """Raises `NotFound`."""
        return await self._cases.find(case_id)

    async def page(self, *, state: str | None, before: int, limit: int) -> ReversalList:
        """The newest first."""
        cases, following = await self._cases.page(state=state, before=before, limit=limit)
        return ReversalList(cases=cases, next="" if following is None else str(following))

    async def set_held(self, user_id: str, *, held: bool, actor: Actor, reason: str) -> HoldState:
        """Off the public board, or back on it."""
        state, commit = await self._users.set_held(
            user_id, held=held, actor=actor.user_id, reason=reason
        )
        self._offer(commit)
        return state

    async def erase(self, user_id: str, *, actor: Actor, reason: str) -> HoldState:
        """Off the board for ever, and what leads to the person forgotten."""
        state, commit = await self._users.erase(user_id, actor=actor.user_id, reason=reason)
        self._offer(commit)
        return state

    async def work(self) -> None:
        """Work on cases for ever, those included that a dead process left."""
        trouble = Trouble("reversals_stopped")
        while True:
            self._wanted.clear()
            try:
                await self._work_until_done()
            except Unavailable as error:
                trouble.met(error)
            else:
                trouble.over()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _work_until_done(self) -> None:
        while True:
            started = perf_counter()
            commit = await self._cases.work(limit=ENTRIES_PER_COMMIT)
            if commit is None or not commit.changes:
                return
            self._offer(commit)
            await asyncio.sleep((perf_counter() - started) * (1 / SHARE_OF_TIME - 1))

    async def _move(self, case_id: str, decide: Decide) -> ReversalCase:
        case = await self._cases.move(case_id, decide)
        self._wanted.set()
        return case
