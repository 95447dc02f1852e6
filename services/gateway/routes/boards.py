"""Reading the board, and who is on it."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from libs.common.contracts.boards import BoardPage, Standing
from libs.common.contracts.identities import Names
from libs.common.contracts.values import USER_ID_PATTERN
from libs.common.errors import InvalidRequest
from services.gateway.routes.access import PUBLIC, MayReadScores
from services.gateway.routes.parts import JSON, parts, passed_on
from services.gateway.routes.problems import refusals
from services.gateway.usecases.names import MAX_AGE_SECONDS, MAX_IDS

MAX_PAGE = 100
MAX_OFFSET = 2**31 - 1
MAX_AROUND = 25
# Shared caches may keep a page, but ask whether it is still right.
REVALIDATE = "public, no-cache"

UserPath = Annotated[str, Path(pattern=USER_ID_PATTERN)]
Around = Annotated[int, Query(ge=0, le=MAX_AROUND, description="neighbours above and below")]

_USER_ID = re.compile(USER_ID_PATTERN)

router = APIRouter(tags=["leaderboard"])


@router.get(
    "/api/leaderboard",
    dependencies=[PUBLIC],
    response_model=BoardPage,
    responses={304: {"description": "The page has not changed"}, **refusals(422, 503)},
)
async def read_board(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 10,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
) -> Response:
    """A page of the board. Carries an `ETag`; send it back as `If-None-Match`."""
    reply = await parts(request).board.page(limit=limit, offset=offset, etag=_etag(request))
    return passed_on(reply, {"Cache-Control": REVALIDATE})


@router.get(
    "/api/leaderboard/me", response_model=Standing, responses=refusals(401, 403, 404, 422, 503)
)
async def read_own_standing(
    request: Request, caller: MayReadScores, around: Around = 5
) -> Response:
    """Where the caller stands, and who is around."""
    reply = await parts(request).board.standing(caller.user_id, around=around, etag=_etag(request))
    return passed_on(reply, {"Cache-Control": "private, no-cache"})


@router.get(
    "/api/leaderboard/users/{user_id}",
    dependencies=[PUBLIC],
    response_model=Standing,
    responses=refusals(404, 422, 503),
)
async def read_standing(request: Request, user_id: UserPath, around: Around = 5) -> Response:
    """Where a user stands, and who is around."""
    reply = await parts(request).board.standing(user_id, around=around, etag=_etag(request))
    return passed_on(reply, {"Cache-Control": REVALIDATE})


@router.get(
    "/api/players", dependencies=[PUBLIC], response_model=Names, responses=refusals(422, 503)
)
async def read_players(
    request: Request,
    ids: Annotated[str, Query(max_length=4096, description=f"at most {MAX_IDS}, by comma")],
) -> Response:
    """Current display names; users that are not known are left out."""
    wanted = list(dict.fromkeys(part for part in ids.split(",") if _USER_ID.fullmatch(part)))
    if len(wanted) > MAX_IDS:
        raise InvalidRequest(f"ask for at most {MAX_IDS} players")
    names = Names(names=await parts(request).read_names(wanted))
    return Response(
        names.model_dump_json(),
        media_type=JSON,
        headers={"Cache-Control": f"public, max-age={MAX_AGE_SECONDS:.0f}"},
    )


def _etag(request: Request) -> str:
    return request.headers.get("if-none-match", "")
