"""What moderators do about suspects, and about the detector, through the gateway."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from libs.common.contracts.reviews import (
    Decision,
    Detector,
    Review,
    ReviewList,
    ReviewState,
    Switch,
)
from libs.common.contracts.values import MAX_TOTAL
from libs.common.problems import refusals
from services.score.routes.admin import Before, Limit
from services.score.routes.parts import MayReadFraud, MayWriteFraud, PartsOf, from_gateway

ReviewPath = Annotated[int, Path(ge=1, le=MAX_TOTAL)]

router = APIRouter(prefix="/internal/admin", dependencies=[Depends(from_gateway)])


@router.get("/reviews")
async def list_reviews(
    actor: MayReadFraud,
    parts: PartsOf,
    state: ReviewState | None = None,
    before: Before = MAX_TOTAL,
    limit: Limit = 20,
) -> ReviewList:
    """Suspicions, the newest first."""
    return await parts.reviews.page(state=state, before=before, limit=limit)


@router.post("/reviews/{review_id}", responses=refusals(404, 409))
async def decide_review(
    review_id: ReviewPath, decision: Decision, actor: MayWriteFraud, parts: PartsOf
) -> Review:
    """Accept, hold or reverse; once."""
    return await parts.reviews.decide(review_id, decision, actor)


@router.get("/bots")
async def read_detector(actor: MayReadFraud, parts: PartsOf) -> Detector:
    """The rules, and whether they are asked at all."""
    return await parts.reviews.detector()


@router.put("/bots")
async def switch_detector(order: Switch, actor: MayWriteFraud, parts: PartsOf) -> Detector:
    """The kill switch."""
    return await parts.reviews.switch(order, actor)
