"""Taking increments back, case by case. Score carries cases out, in the background."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from libs.common.contracts.corrections import (
    CaseState,
    Order,
    Reason,
    ReversalCase,
    ReversalList,
    ReversalOrder,
    ReversalPreview,
)
from services.gateway.routes.access import MayReadFraud, MayWriteFraud
from services.gateway.routes.admin.paging import CasePath, Page, asked
from services.gateway.routes.orders import Sent, written
from services.gateway.routes.passage import to_score
from services.gateway.routes.problems import BODY, refusals
from services.gateway.usecases.doors import LONG_TIMEOUT_SECONDS

PATH = "/api/admin/reversals"
# 1000 idempotency keys of 128 characters, each of which JSON may have to escape.
MAX_BODY_BYTES = 256 * 1024

_ORDER = {
    "case_id": "fraud-2026-11",
    "selector": {
        "user_id": "mallory",
        "from": "2026-11-01T12:00:00Z",
        "to": "2026-11-01T13:00:00Z",
    },
    "reason": "bought points",
    "dry_run": True,
}
_WHY = {"reason": "it was her brother, on her phone"}
_WORKING: dict[int | str, dict[str, Any]] = {
    202: {"model": ReversalCase, "description": "It begins; read the case to see how far"}
}

ReversalSent = Annotated[ReversalOrder, Depends(Sent(ReversalOrder, _ORDER))]
NothingSent = Annotated[Order, Depends(Sent(Order, {}))]
ReasonSent = Annotated[Reason, Depends(Sent(Reason, _WHY))]

router = APIRouter(tags=["reversals"])


class CasePage(Page):
    """A page of cases."""

    state: CaseState | None = None


@router.post(
    PATH,
    status_code=202,
    response_model=ReversalCase,
    responses={
        202: {"headers": {"Location": {"schema": {"type": "string"}}}},
        200: {
            "model": ReversalCase | ReversalPreview,
            "description": "A case that is known already; or with `dry_run` what would happen",
        },
        **refusals(401, 403, 404, *BODY, 409, 503),
    },
)
async def open_case(request: Request, caller: MayWriteFraud, order: ReversalSent) -> Response:
    """
    Take increments back. The selection is frozen first, then reversed entry by entry.

    The same `case_id` with the same selector is the same case: after a 503, send it again. A large
    case waits for a second person (`awaiting_approval`).
    """
    answer = await to_score(
        request, caller, body=written(order), timeout_seconds=LONG_TIMEOUT_SECONDS
    )
    if answer.status_code == HTTPStatus.ACCEPTED:
        answer.headers["Location"] = f"{PATH}/{order.case_id}"
    return answer


@router.get(PATH, response_model=ReversalList, responses=refusals(401, 403, 422, 503))
async def read_cases(
    request: Request, caller: MayReadFraud, page: Annotated[CasePage, Query()]
) -> Response:
    """Cases, newest first."""
    return await to_score(request, caller, query=asked(page))


@router.get(
    PATH + "/{case_id}", response_model=ReversalCase, responses=refusals(401, 403, 404, 422, 503)
)
async def read_case(request: Request, caller: MayReadFraud, case_id: CasePath) -> Response:
    """A case, and how far it is."""
    return await to_score(request, caller)


@router.post(
    PATH + "/{case_id}/approve",
    response_model=ReversalCase,
    responses={**_WORKING, **refusals(401, 403, 404, *BODY, 409, 503)},
)
async def approve_case(
    request: Request, caller: MayWriteFraud, case_id: CasePath, order: NothingSent
) -> Response:
    """Agree with somebody else's case, or with its revert."""
    return await to_score(
        request, caller, body=written(order), timeout_seconds=LONG_TIMEOUT_SECONDS
    )


@router.post(
    PATH + "/{case_id}/withdraw",
    response_model=ReversalCase,
    responses={**_WORKING, **refusals(401, 403, 404, *BODY, 409, 503)},
)
async def withdraw_case(
    request: Request, caller: MayWriteFraud, case_id: CasePath, order: ReasonSent
) -> Response:
    """Give up a case, or a revert, that nobody has approved."""
    return await to_score(request, caller, body=written(order))


@router.post(
    PATH + "/{case_id}/revert",
    response_model=ReversalCase,
    responses={**_WORKING, **refusals(401, 403, 404, *BODY, 409, 503)},
)
async def revert_case(
    request: Request, caller: MayWriteFraud, case_id: CasePath, order: ReasonSent
) -> Response:
    """Give back exactly what the case took."""
    return await to_score(
        request, caller, body=written(order), timeout_seconds=LONG_TIMEOUT_SECONDS
    )
