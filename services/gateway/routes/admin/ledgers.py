"""What the ledger says of a user, and whether the public board shows them. Score answers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import Field

from libs.common.contracts.corrections import AuditPage, CaseId, HoldState, LedgerView, Reason
from libs.common.contracts.values import MAX_TOTAL, Moment
from services.gateway.routes.access import MayReadFraud, MayWriteFraud
from services.gateway.routes.admin.paging import Page, PageOfUser, UserPath, asked
from services.gateway.routes.orders import Sent, written
from services.gateway.routes.passage import to_score
from services.gateway.routes.problems import BODY, refusals

ReasonSent = Annotated[Reason, Depends(Sent(Reason, {"reason": "120 increments in a minute"}))]

router = APIRouter(tags=["ledger"])


class LedgerPage(Page):
    """A page of a ledger, as it was at a time (RFC 3339) or after an entry (its `seq`)."""

    at: Annotated[int, Field(ge=1, le=MAX_TOTAL)] | Moment | None = Field(
        default=None, union_mode="left_to_right"
    )


class AuditQuery(PageOfUser):
    """A page of acts: all, or those of a case."""

    case_id: CaseId | None = None


@router.post(
    "/api/admin/users/{user_id}/hold",
    response_model=HoldState,
    responses=refusals(401, 403, 404, *BODY, 409, 503),
)
async def hold_user(
    request: Request, caller: MayWriteFraud, user_id: UserPath, order: ReasonSent
) -> Response:
    """Take a user off the public board; what they earn still counts."""
    return await to_score(request, caller, body=written(order))


@router.post(
    "/api/admin/users/{user_id}/release",
    response_model=HoldState,
    responses=refusals(401, 403, 404, *BODY, 409, 503),
)
async def release_user(
    request: Request, caller: MayWriteFraud, user_id: UserPath, order: ReasonSent
) -> Response:
    """Show a user again, at exactly the rank that their points give."""
    return await to_score(request, caller, body=written(order))


@router.get(
    "/api/admin/users/{user_id}/ledger",
    response_model=LedgerView,
    responses=refusals(401, 403, 404, 422, 503),
)
async def read_ledger(
    request: Request, caller: MayReadFraud, user_id: UserPath, page: Annotated[LedgerPage, Query()]
) -> Response:
    """A user's entries and total, now or at an earlier time."""
    return await to_score(request, caller, query=asked(page))


@router.get("/api/admin/audit", response_model=AuditPage, responses=refusals(401, 403, 422, 503))
async def read_audit(
    request: Request, caller: MayReadFraud, page: Annotated[AuditQuery, Query()]
) -> Response:
    """Who did what to scores, newest first."""
    return await to_score(request, caller, query=asked(page))
