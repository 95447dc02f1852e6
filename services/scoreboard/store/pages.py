"""The read side: pages, standings and ranks, each as of one moment."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common.contracts.boards import BoardPage, RankedEntry, Ranks, Standing
from libs.common.errors import NotFound, Unavailable
from services.scoreboard.domain import user_of
from services.scoreboard.store.board import ANSWER_SECONDS, Keys

_RANKS = (Path(__file__).parent / "ranks.lua").read_text("utf-8")


class Pages:
    """Reads the current board. Every method raises `Unavailable` when there is none to read."""

    def __init__(self, redis: Redis, keys: Keys, board: str) -> None:
        self._redis = redis
        self._keys = keys
        self._board = board
        self._ranks = redis.register_script(_RANKS)

    async def page(self, *, offset: int, limit: int) -> BoardPage:
        """`limit` users from place `offset` (0 is the leader)."""
        for _ in range(2):  # a board that was replaced in between is gone; its successor is not
            epoch, (rev, total, found) = await self._read(offset, limit)
            if rev is not None:
                entries = [
                    RankedEntry(rank=rank, user_id=user_of(member), score=-int(points))
                    for rank, (member, points) in enumerate(found, start=offset + 1)
                ]
                return BoardPage(
                    board=self._board, epoch=epoch, rev=int(rev), total=total, entries=entries
                )
        raise Unavailable("the board is being built")

    async def ranks(self, users: Sequence[str]) -> Ranks:
        """Where these users stand; who is not on the board is left out."""
        return Ranks(entries=(await self._standing(users))[2] if users else [])

    async def standing(self, user_id: str, *, around: int) -> Standing:
        """A user's place with up to `around` neighbours on each side. Raises `NotFound`."""
        epoch, rev, entries = await self._standing([user_id])
        if not entries:
            raise NotFound(f"{user_id} is not on the board")
        me = entries[0]
        neighbours = []
        if around:
            first = max(0, me.rank - 1 - around)
            page = await self.page(offset=first, limit=me.rank - first + around)
            neighbours = page.entries
        return Standing(
            board=self._board, epoch=epoch, rev=rev, neighbours=neighbours, **me.model_dump()
        )

    async def _standing(self, users: Sequence[str]) -> tuple[int, int, list[RankedEntry]]:
        for _ in range(2):
            epoch = await self._current()
            asked = self._ranks(list(self._keys.of(epoch)), list(users))
            known_epoch, rev, *flat = await _asked(asked)
            if known_epoch:
                triples = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
                entries = [
                    RankedEntry(rank=int(place) + 1, user_id=user, score=int(points))
                    for user, place, points in triples
                ]
                return epoch, int(rev), entries
        raise Unavailable("the board is being built")

    async def _read(self, offset: int, limit: int) -> tuple[int, Any]:
        epoch = await self._current()
        z, _, meta = self._keys.of(epoch)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hget(meta, "rev")
            pipe.zcard(z)
            pipe.zrange(z, offset, offset + limit - 1, withscores=True)
            return epoch, await _asked(pipe.execute())

    async def _current(self) -> int:
        return int(await _asked(self._redis.get(self._keys.pointer)) or 0)


async def _asked(answer: Any) -> Any:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await answer
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("the board does not answer") from error
