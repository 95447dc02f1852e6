"""Suspicions that wait for a person, and the rules that raise them. Score answers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response

from libs.common.contracts.reviews import (
    Decision,
    Detector,
    Review,
    ReviewList,
    ReviewState,
    Switch,
)
from libs.common.contracts.values import MAX_TOTAL
from services.gateway.routes.access import MayReadFraud, MayWriteFraud
from services.gateway.routes.admin.paging import Page, asked
from services.gateway.routes.orders import Sent, written
from services.gateway.routes.passage import to_score
from services.gateway.routes.problems import BODY, refusals
from services.gateway.usecases.doors import LONG_TIMEOUT_SECONDS

_DECISION = {"decision": "accept", "reason": "a tournament, all on one network"}
_OFF = {"enabled": False, "reason": "it holds too many"}

ReviewPath = Annotated[int, Path(ge=1, le=MAX_TOTAL)]
DecisionSent = Annotated[Decision, Depends(Sent(Decision, _DECISION))]
SwitchSent = Annotated[Switch, Depends(Sent(Switch, _OFF))]

router = APIRouter(tags=["reviews"])


class ReviewPage(Page):
    """A page of reviews."""

    state: ReviewState | None = None


@router.get("/api/admin/reviews", response_model=ReviewList, responses=refusals(401, 403, 422, 503))
async def read_reviews(
    request: Request, caller: MayReadFraud, page: Annotated[ReviewPage, Query()]
) -> Response:
    """Suspicions, newest first."""
    return await to_score(request, caller, query=asked(page))


@router.post(
    "/api/admin/reviews/{review_id}",
    response_model=Review,
    responses=refusals(401, 403, 404, *BODY, 409, 503),
)
async def decide_review(
    request: Request, caller: MayWriteFraud, review_id: ReviewPath, order: DecisionSent
) -> Response:
    """Accept, hold, or reverse; `reverse` opens the case `review-<id>`."""
    return await to_score(
        request, caller, body=written(order), timeout_seconds=LONG_TIMEOUT_SECONDS
    )


@router.get("/api/admin/bots", response_model=Detector, responses=refusals(401, 403, 503))
async def read_detector(request: Request, caller: MayReadFraud) -> Response:
    """The rules, and whether they are asked."""
    return await to_score(request, caller)


@router.put("/api/admin/bots", response_model=Detector, responses=refusals(401, 403, *BODY, 503))
async def switch_detector(request: Request, caller: MayWriteFraud, order: SwitchSent) -> Response:
    """Switch the detector off or on, everywhere at once. Scores are counted either way."""
    return await to_score(request, caller, body=written(order))
