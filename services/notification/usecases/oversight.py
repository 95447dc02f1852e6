"""What operators may see and do, on whichever node they are asked: each act leaves one log line."""

import structlog

from libs.common.contracts.sessions import Closing, Node, NodeList, StreamSessionList
from libs.common.errors import NotFound
from services.notification.usecases.ports import NodeStore, SessionIndex

_log = structlog.get_logger()


class Oversight:
    """The streams and nodes of all; `actor` is who gives an order. Raises `Unavailable`."""

    def __init__(self, sessions: SessionIndex, nodes: NodeStore) -> None:
        self._sessions = sessions
        self._nodes = nodes

    async def sessions(self, *, user_id: str, after: str, limit: int) -> StreamSessionList:
        """Open streams in the order in which they began; of all users if `user_id` is empty."""
        if not user_id:
            return await self._sessions.page(after=after, limit=limit)
        all_ = await self._sessions.of_user(user_id)
        rest = [session for session in all_ if session.session_id > after]
        more = len(rest) > limit
        return StreamSessionList(
            total=len(all_),
            sessions=rest[:limit],
            next=rest[limit - 1].session_id if more else "",
        )

    async def close_session(self, session_id: str, *, actor: str) -> Closing:
        """Have one stream closed. Raises `NotFound`."""
        session = await self._sessions.find(session_id)
        if session is None:
            raise NotFound("no such session is open")
        await self._nodes.order_close([session])
        _log.info("operator_acted", actor=actor, act="session.close", target=session_id)
        return Closing(sessions=1)

    async def close_user(self, user_id: str, *, actor: str) -> Closing:
        """Have all streams of a user closed; there may be none."""
        sessions = await self._sessions.of_user(user_id)
        if sessions:
            await self._nodes.order_close(sessions)
        _log.info(
            "operator_acted",
            actor=actor,
            act="user_sessions.close",
            target=user_id,
            sessions=len(sessions),
        )
        return Closing(sessions=len(sessions))

    async def nodes(self) -> NodeList:
        """The nodes that are up."""
        return NodeList(nodes=await self._nodes.listed())

    async def drain(self, name: str, *, actor: str, reason: str) -> Node:
        """Have a node send its streams away and take no new ones. Raises `NotFound`."""
        node = next((node for node in await self._nodes.listed() if node.node == name), None)
        if node is None:
            raise NotFound("no such node is up")
        await self._nodes.order_drain(name)
        _log.info("operator_acted", actor=actor, act="node.drain", target=name, reason=reason)
        return node.model_copy(update={"draining": True})
