"""What moderators ask of the ledger, through the gateway."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import TypeAdapter, ValidationError

from libs.common.contracts.corrections import (
    CASE_ID_PATTERN,
    AuditPage,
    CaseState,
    HoldState,
    LedgerView,
    Reason,
    ReversalCase,
    ReversalList,
    ReversalOrder,
    ReversalPreview,
)
from libs.common.contracts.values import MAX_TOTAL, USER_ID_PATTERN, Moment
from libs.common.errors import InvalidRequest
from libs.common.problems import refusals
from services.score.routes.parts import (
    MayReadFraud,
    MayWriteFraud,
    MayWriteUsers,
    PartsOf,
    from_gateway,
)

MAX_PAGE = 100
AT_WORK = ("applying", "reverting")

CasePath = Annotated[str, Path(pattern=CASE_ID_PATTERN)]
UserPath = Annotated[str, Path(pattern=USER_ID_PATTERN)]
Before = Annotated[int, Query(ge=1, le=MAX_TOTAL)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]

_WORKING: dict[int | str, dict[str, Any]] = {202: {"model": ReversalCase}, **refusals(404, 409)}
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)

router = APIRouter(prefix="/internal/admin", dependencies=[Depends(from_gateway)])


@router.post(
    "/reversals",
    response_model=ReversalCase | ReversalPreview,
    responses={202: {"model": ReversalCase}, **refusals(404, 409)},
)
async def request_reversal(
    order: ReversalOrder, actor: MayWriteFraud, parts: PartsOf, response: Response
) -> ReversalCase | ReversalPreview:
    """A new case (202), a known one (200), or what one would do (200)."""
    if order.dry_run:
        return await parts.corrections.preview(order)
    case, is_new = await parts.corrections.request(order, actor)
    if is_new:
        response.status_code = 202
    return case


@router.get("/reversals")
async def list_reversals(
    actor: MayReadFraud,
    parts: PartsOf,
    state: CaseState | None = None,
    before: Before = MAX_TOTAL,
    limit: Limit = 20,
) -> ReversalList:
    """Cases, the newest first."""
    return await parts.corrections.page(state=state, before=before, limit=limit)


@router.get("/reversals/{case_id}", responses=refusals(404))
async def read_reversal(case_id: CasePath, actor: MayReadFraud, parts: PartsOf) -> ReversalCase:
    """A case, and how far it is."""
    return await parts.corrections.find(case_id)


@router.post("/reversals/{case_id}/approve", responses=_WORKING)
async def approve_reversal(
    case_id: CasePath, actor: MayWriteFraud, parts: PartsOf, response: Response
) -> ReversalCase:
    """Let a large case begin, or its revert."""
    return _working(await parts.corrections.approve(case_id, actor), response)


@router.post("/reversals/{case_id}/withdraw", responses=refusals(404, 409))
async def withdraw_reversal(
    case_id: CasePath, body: Reason, actor: MayWriteFraud, parts: PartsOf
) -> ReversalCase:
    """Call off what waits for approval."""
    return await parts.corrections.withdraw(case_id, actor, body.reason)


@router.post("/reversals/{case_id}/revert", responses=_WORKING)
async def revert_reversal(
    case_id: CasePath, body: Reason, actor: MayWriteFraud, parts: PartsOf, response: Response
) -> ReversalCase:
    """Give back what the case took."""
    return _working(await parts.corrections.revert(case_id, actor, body.reason), response)


@router.post("/users/{user_id}/hold", responses=refusals(404, 409))
async def hold(user_id: UserPath, body: Reason, actor: MayWriteFraud, parts: PartsOf) -> HoldState:
    """Off the public board."""
    return await parts.corrections.set_held(user_id, held=True, actor=actor, reason=body.reason)


@router.post("/users/{user_id}/release", responses=refusals(404, 409))
async def release(
    user_id: UserPath, body: Reason, actor: MayWriteFraud, parts: PartsOf
) -> HoldState:
    """Back on the public board, at the exact place."""
    return await parts.corrections.set_held(user_id, held=False, actor=actor, reason=body.reason)


@router.post("/users/{user_id}/erase", responses=refusals(404, 409))
async def erase(user_id: UserPath, body: Reason, actor: MayWriteUsers, parts: PartsOf) -> HoldState:
    """Off the board for ever, and what leads to the person forgotten."""
    return await parts.corrections.erase(user_id, actor=actor, reason=body.reason)


@router.get("/users/{user_id}/ledger", responses=refusals(404))
async def read_ledger(
    user_id: UserPath,
    actor: MayReadFraud,
    parts: PartsOf,
    at: Annotated[str, Query(max_length=64, description="a time, or the number of an entry")] = "",
    before: Before = MAX_TOTAL,
    limit: Limit = 20,
) -> LedgerView:
    """A user's total, now or then, recomputed from the entries."""
    seq, moment = _then(at)
    return await parts.users.ledger(user_id, at=moment, seq=seq, before=before, limit=limit)


@router.get("/audit")
async def read_audit(
    actor: MayReadFraud,
    parts: PartsOf,
    case_id: Annotated[str | None, Query(pattern=CASE_ID_PATTERN)] = None,
    user_id: Annotated[str | None, Query(pattern=USER_ID_PATTERN)] = None,
    before: Before = MAX_TOTAL,
    limit: Limit = 20,
) -> AuditPage:
    """Who did what, when and why; the newest first."""
    return await parts.users.audit(user_id=user_id, case_id=case_id, before=before, limit=limit)


def _working(case: ReversalCase, response: Response) -> ReversalCase:
    if case.state in AT_WORK:
        response.status_code = 202
    return case


def _then(at: str) -> tuple[int | None, datetime | None]:
    if not at:
        return None, None
    if at.isascii() and at.isdecimal() and 1 <= int(at) <= MAX_TOTAL:
        return int(at), None
    try:
        return None, _MOMENT.validate_python(at)
    except ValidationError:
        raise InvalidRequest(
            "at is a time with a zone, such as 2026-03-01T12:00:00Z, or the number of an entry"
        ) from None
