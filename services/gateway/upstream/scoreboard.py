"""Calls to scoreboard: pages of the board, passed on byte for byte."""

from urllib.parse import quote

from libs.common.contracts.values import GLOBAL_BOARD
from libs.common.errors import NotFound
from services.gateway.upstream.peer import Peer
from services.gateway.usecases.doors import Reply

# What a cache in between needs to know.
_SHOWN = frozenset({"content-type", "etag", "cache-control"})


class ScoreboardClient:
    """Scoreboard; what it says is public."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def page(self, *, limit: int, offset: int, etag: str) -> Reply:
        """Raises `Unavailable`."""
        params = {"limit": str(limit), "offset": str(offset)}
        return await self._read(f"/boards/{GLOBAL_BOARD}", params, etag)

    async def standing(self, user_id: str, *, around: int, etag: str) -> Reply:
        """Raises `NotFound` or `Unavailable`."""
        path = f"/boards/{GLOBAL_BOARD}/users/{quote(user_id, safe='')}"
        return await self._read(path, {"around": str(around)}, etag)

    async def _read(self, path: str, params: dict[str, str], etag: str) -> Reply:
        reply = await self._peer.call(
            "GET", path, params=params, headers={"If-None-Match": etag} if etag else None
        )
        if reply.status == 404:
            raise NotFound("this user is not on the board")
        if reply.status != 304:
            self._peer.expect(reply)
        shown = {name: value for name, value in reply.headers.items() if name in _SHOWN}
        return Reply(reply.status, shown, reply.body)
