"""Accounts, and the people behind them. Auth answers; for export and erasure, score does too."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse

from libs.common.contracts.accounts import AccountExport, Erasure, ManagedAccount, RolesOrder
from libs.common.contracts.corrections import AuditPage, Reason
from libs.common.tokens import bearer
from services.gateway.routes.access import MayReadUsers, MayWriteUsers
from services.gateway.routes.admin.paging import PageOfUser, UserPath, asked
from services.gateway.routes.orders import Sent, written
from services.gateway.routes.parts import JSON, parts, passed_on
from services.gateway.routes.passage import own_name, to_auth, vouched_for
from services.gateway.routes.problems import BODY, refusals
from services.gateway.usecases.people import PersonExport

PATH = "/api/admin/users/{user_id}"

RolesSent = Annotated[
    RolesOrder, Depends(Sent(RolesOrder, {"roles": ["player", "moderator"], "reason": "joined us"}))
]
ReasonSent = Annotated[Reason, Depends(Sent(Reason, {"reason": "sold the account"}))]
WishSent = Annotated[Reason, Depends(Sent(Reason, {"reason": "asked for it by letter"}))]

router = APIRouter(tags=["users"])


@router.get(PATH, response_model=ManagedAccount, responses=refusals(401, 403, 404, 422, 503))
async def read_user(request: Request, caller: MayReadUsers, user_id: UserPath) -> Response:
    """An account."""
    return await to_auth(request)


@router.put(
    PATH + "/roles",
    response_model=ManagedAccount,
    responses=refusals(401, 403, 404, *BODY, 409, 503),
)
async def change_roles(
    request: Request, caller: MayWriteUsers, user_id: UserPath, order: RolesSent
) -> Response:
    """The roles that a user has from now on; tokens issued before end."""
    return await to_auth(request, body=written(order))


@router.post(
    PATH + "/ban",
    response_model=ManagedAccount,
    responses=refusals(401, 403, 404, *BODY, 409, 503),
)
async def ban_user(
    request: Request, caller: MayWriteUsers, user_id: UserPath, order: ReasonSent
) -> Response:
    """Let a user in no more; tokens end at once, streams within 5 s."""
    return await to_auth(request, body=written(order))


@router.post(
    PATH + "/unban",
    response_model=ManagedAccount,
    responses=refusals(401, 403, 404, *BODY, 409, 503),
)
async def unban_user(
    request: Request, caller: MayWriteUsers, user_id: UserPath, order: ReasonSent
) -> Response:
    """Let a user in again."""
    return await to_auth(request, body=written(order))


@router.post(PATH + "/logout", status_code=204, responses=refusals(401, 403, 404, *BODY, 503))
async def log_user_out(
    request: Request, caller: MayWriteUsers, user_id: UserPath, order: ReasonSent
) -> Response:
    """End all of a user's sessions: tokens at once, streams within 5 s."""
    return await to_auth(request, body=written(order))


@router.get(
    PATH + "/account", response_model=AccountExport, responses=refusals(401, 403, 404, 422, 503)
)
async def read_account(request: Request, caller: MayReadUsers, user_id: UserPath) -> Response:
    """All that auth keeps of a person: their part of the export."""
    return await to_auth(request)


@router.get(
    "/api/admin/audit/accounts", response_model=AuditPage, responses=refusals(401, 403, 422, 503)
)
async def read_account_audit(
    request: Request, caller: MayReadUsers, page: Annotated[PageOfUser, Query()]
) -> Response:
    """Who did what to accounts, newest first."""
    return await to_auth(request, query=asked(page))


@router.get(
    PATH + "/export", response_model=PersonExport, responses=refusals(401, 403, 404, 422, 503)
)
async def export_person(request: Request, caller: MayReadUsers, user_id: UserPath) -> Response:
    """
    All that is kept of a person, as one document (GDPR, articles 15 and 20).

    It is sent as it is read: an answer that breaks off is no export, ask again.
    """
    part = parts(request)

    async def proof() -> dict[str, str]:
        # A long ledger outlives the context that auth signed; the verdict brings a new one.
        verdict = await part.judge(bearer(request.headers.get("authorization")))
        return vouched_for(request, verdict)

    document = await part.export_person(user_id, own_name(request), proof)
    return StreamingResponse(
        document, media_type=JSON, headers={"Content-Disposition": "attachment"}
    )


@router.delete(PATH, response_model=Erasure, responses=refusals(401, 403, 404, *BODY, 409, 503))
async def erase_person(
    request: Request, caller: MayWriteUsers, user_id: UserPath, order: WishSent
) -> Response:
    """
    Erase a person (GDPR, article 17): login, name, sessions, fingerprints; off the board for ever.

    The pseudonymous ledger stays. Auth erases first, then score; both do it once however often
    they are asked: after a 503 some of it may be done, and sending it again does the rest.
    """
    reply = await parts(request).erase_person(
        user_id, written(order), own_name(request), vouched_for(request, caller)
    )
    return passed_on(reply)
