"""Reading the board; what anybody may see, so nobody is asked who they are."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from libs.common.contracts.boards import BoardPage, Ranks, RanksQuery, Standing
from libs.common.contracts.values import GLOBAL_BOARD, USER_ID_PATTERN
from libs.common.errors import NotFound
from libs.common.problems import refusals
from services.scoreboard.usecases.read import ReadBoard

ETAG_BYTES = 12


@dataclass(frozen=True)
class Parts:
    """What the routes call."""

    board: ReadBoard


def read_board(
    request: Request, board: Annotated[str, Path(json_schema_extra={"enum": [GLOBAL_BOARD]})]
) -> ReadBoard:
    if board != GLOBAL_BOARD:
        raise NotFound(f"there is no board {board[:64]!r}")
    return cast(Parts, request.state.parts).board


Board = Annotated[ReadBoard, Depends(read_board)]

router = APIRouter(prefix="/boards/{board}", responses=refusals(404, 503))


@router.get("", response_model=BoardPage, responses={304: {"description": "It has not changed"}})
async def page(
    board: Board,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A page of the board; 304 if it is what the caller has."""
    body = (await board.page(offset=offset, limit=limit)).model_dump_json().encode()
    etag = f'"{blake2b(body, digest_size=ETAG_BYTES).hexdigest()}"'
    if if_none_match == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return Response(body, media_type="application/json", headers={"ETag": etag})


@router.get("/users/{user_id}")
async def standing(
    board: Board,
    user_id: Annotated[str, Path(pattern=USER_ID_PATTERN)],
    around: Annotated[int, Query(ge=0, le=25)] = 0,
) -> Standing:
    """A user's rank and score, with neighbours if asked for."""
    return await board.standing(user_id, around=around)


@router.post("/ranks")
async def ranks(board: Board, query: RanksQuery) -> Ranks:
    """The ranks of many users in one call; who is not on the board is left out."""
    return await board.ranks(query.user_ids)
