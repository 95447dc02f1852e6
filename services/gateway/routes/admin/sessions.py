"""Open streams on all nodes: who watches, closing them, draining a node. Notification answers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from libs.common.contracts.corrections import Order, Reason
from libs.common.contracts.sessions import Closing, Node, NodeList, StreamSessionList
from libs.common.contracts.values import UserId
from services.gateway.routes.access import MayCloseSessions, MayReadUsers
from services.gateway.routes.admin.paging import MAX_PAGE, UserPath, asked
from services.gateway.routes.orders import Sent, written
from services.gateway.routes.passage import to_notification
from services.gateway.routes.problems import BODY, refusals

SessionPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
NodePath = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
After = Annotated[
    str | None, Field(pattern=r"^[!-~]{1,64}$", description="`next` of the page before")
]
DrainSent = Annotated[Reason, Depends(Sent(Reason, {"reason": "a new kernel"}))]

router = APIRouter(tags=["sessions"])


class SessionPage(Order):
    """A page of open streams: all, or those of one user."""

    limit: int = Field(default=20, ge=1, le=MAX_PAGE)
    after: After = None
    user_id: UserId | None = None


@router.get(
    "/api/admin/sessions", response_model=StreamSessionList, responses=refusals(401, 403, 422, 503)
)
async def read_sessions(
    request: Request, caller: MayReadUsers, page: Annotated[SessionPage, Query()]
) -> Response:
    """Open streams."""
    return await to_notification(request, caller, query=asked(page))


@router.delete(
    "/api/admin/sessions/{session_id}",
    response_model=Closing,
    responses=refusals(401, 403, 404, 422, 503),
)
async def close_session(
    request: Request, caller: MayCloseSessions, session_id: SessionPath
) -> Response:
    """Close one stream, wherever it is."""
    return await to_notification(request, caller)


@router.delete(
    "/api/admin/users/{user_id}/sessions",
    response_model=Closing,
    responses=refusals(401, 403, 422, 503),
)
async def close_sessions(request: Request, caller: MayCloseSessions, user_id: UserPath) -> Response:
    """Close all of a user's streams. To sign them out too: `POST …/logout`."""
    return await to_notification(request, caller)


@router.get("/api/admin/nodes", response_model=NodeList, responses=refusals(401, 403, 503))
async def read_nodes(request: Request, caller: MayReadUsers) -> Response:
    """The processes that hold streams."""
    return await to_notification(request, caller)


@router.post(
    "/api/admin/nodes/{node}/drain",
    status_code=202,
    response_model=Node,
    responses=refusals(401, 403, 404, *BODY, 503),
)
async def drain_node(
    request: Request, caller: MayCloseSessions, node: NodePath, order: DrainSent
) -> Response:
    """Have a node send its clients elsewhere, at random times."""
    return await to_notification(request, caller, body=written(order))
