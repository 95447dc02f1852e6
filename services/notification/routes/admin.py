"""Sessions and nodes, for the gateway on behalf of an operator."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from libs.common.contracts.corrections import Reason
from libs.common.contracts.sessions import Closing, Node, NodeList, StreamSessionList
from libs.common.contracts.values import UserId
from libs.common.problems import refusals
from services.notification.routes.parts import PartsOf, actor_with

MAX_PAGE = 100

Reader = Annotated[str, Depends(actor_with("users:read"))]
Operator = Annotated[str, Depends(actor_with("sessions:write"))]

admin = APIRouter(prefix="/internal/admin", tags=["admin"])


@admin.get("/sessions")
async def list_sessions(
    parts: PartsOf,
    _: Reader,
    user_id: Annotated[UserId | None, Query(description="only this user's")] = None,
    after: Annotated[str, Query(max_length=64)] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
) -> StreamSessionList:
    """The open streams of all nodes, in the order in which they began."""
    return await parts.oversight.sessions(user_id=user_id or "", after=after, limit=limit)


@admin.delete("/sessions/{session_id}", responses=refusals(404))
async def close_session(session_id: str, parts: PartsOf, actor: Operator) -> Closing:
    """Close a stream, on whichever node it is."""
    return await parts.oversight.close_session(session_id, actor=actor)


@admin.delete("/users/{user_id}/sessions")
async def close_user(user_id: UserId, parts: PartsOf, actor: Operator) -> Closing:
    """Close all streams of a user, on all nodes."""
    return await parts.oversight.close_user(user_id, actor=actor)


@admin.get("/nodes")
async def list_nodes(parts: PartsOf, _: Reader) -> NodeList:
    """The nodes that are up."""
    return await parts.oversight.nodes()


@admin.post("/nodes/{node}/drain", status_code=202, responses=refusals(404))
async def drain(node: str, reason: Reason, parts: PartsOf, actor: Operator) -> Node:
    """Have a node send its streams to the others, and take no new ones until it is restarted."""
    return await parts.oversight.drain(node, actor=actor, reason=reason.reason)
