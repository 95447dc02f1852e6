"""Action grants: a game server lets a player add once, so much at most, and not before so long."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from libs.common.contracts.accounts import Grant, GrantOrder
from services.gateway.routes.access import MayGiveGrants
from services.gateway.routes.orders import Sent, written
from services.gateway.routes.passage import to_auth
from services.gateway.routes.problems import BODY, refusals

_ORDER = {
    "user_id": "alice",
    "max_increment": 500,
    "min_elapsed_seconds": 30,
    "expires_in_seconds": 600,
}

GrantSent = Annotated[GrantOrder, Depends(Sent(GrantOrder, _ORDER))]

router = APIRouter(tags=["scores"])


@router.post("/api/grants", response_model=Grant, responses=refusals(401, 403, *BODY, 503))
async def give_grant(request: Request, caller: MayGiveGrants, order: GrantSent) -> Response:
    """
    A signed grant for an action that begins now.

    The player sends it once, as `Action-Grant` of `POST /api/scores`.
    """
    return await to_auth(request, body=written(order))
