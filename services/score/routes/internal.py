"""What the gateway and scoreboard ask of the ledger."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, StrictInt, ValidationError

from libs.common.contracts.scores import AnswerBatch, IncrementBatch, LedgerDigest, LedgerPage
from libs.common.contracts.values import PRINTABLE_PATTERN
from services.score.routes.parts import Parts, PartsOf, UserContext, from_gateway, from_scoreboard

MAX_PAGE = 5000
MAX_HISTORY_PAGE = 100


Label = Annotated[str, Field(max_length=64, pattern=PRINTABLE_PATTERN)]


class EpochOrder(BaseModel):
    """Why a board begins anew; `after` is the largest epoch that the caller knows."""

    board: Label
    region: Label
    reason: Label
    after: StrictInt = Field(default=0, ge=0)


INCREMENTS = "/internal/increments"
_INCREMENTS = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": IncrementBatch.model_json_schema()}},
    }
}

gateway = APIRouter(prefix="/internal", dependencies=[Depends(from_gateway)])
scoreboard = APIRouter(prefix="/internal", dependencies=[Depends(from_scoreboard)])


@gateway.post(
    INCREMENTS.removeprefix(gateway.prefix), response_model=AnswerBatch, openapi_extra=_INCREMENTS
)
async def increments(request: Request, parts: PartsOf) -> Response:
    """Count a batch; the answers come in its order."""
    try:
        batch = IncrementBatch.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None
    return Response(await answered(batch, parts), media_type="application/json")


async def answered(batch: IncrementBatch, parts: Parts) -> bytes:
    """The JSON of an `AnswerBatch`."""
    answers = AnswerBatch(items=await parts.accept.answer(batch.items))
    return answers.model_dump_json().encode()


@gateway.get("/entries")
async def entries(
    parts: PartsOf,
    context: UserContext,
    before: Annotated[int, Query(ge=1)] = 2**53,
    limit: Annotated[int, Query(ge=1, le=MAX_HISTORY_PAGE)] = 20,
) -> dict[str, Any]:
    """The ledger entries of the user whom the context names, newest first."""
    claims = await parts.contexts.verify(context)
    found = await parts.books.entries(claims.subject, before=before, limit=limit)
    return {"entries": found, "next": str(found[-1]["seq"]) if len(found) == limit else ""}


@scoreboard.get("/totals")
async def totals(
    parts: PartsOf,
    after: Annotated[str, Query(max_length=64, pattern=PRINTABLE_PATTERN)] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1000,
) -> LedgerPage:
    """A page of all users, by id: what a board is rebuilt from."""
    return await parts.books.totals(after=after, limit=limit)


@scoreboard.get("/top")
async def top(parts: PartsOf, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> LedgerPage:
    """The leaders as SQL orders them: what a board is compared with."""
    return await parts.books.top(limit=limit)


@scoreboard.get("/digest")
async def digest(parts: PartsOf) -> LedgerDigest:
    """Sums over all users."""
    return await parts.books.digest()


@scoreboard.post("/epochs")
async def epochs(order: EpochOrder, parts: PartsOf) -> dict[str, int]:
    """A new epoch for a board."""
    epoch = await parts.books.next_epoch(
        board=order.board, region=order.region, reason=order.reason, after=order.after
    )
    return {"epoch": epoch}
