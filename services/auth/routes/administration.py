"""What those call who look after accounts, and the games that give grants."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from libs.common.contracts.accounts import (
    AccountExport,
    Erasure,
    Grant,
    GrantOrder,
    ManagedAccount,
    RolesOrder,
)
from libs.common.contracts.corrections import AuditPage, Order, Reason
from libs.common.contracts.values import MAX_TOTAL, USER_ID_PATTERN, UserId
from libs.common.problems import refusals
from services.auth.domain.acts import Warrant, reason_of
from services.auth.domain.roles import roles_of
from services.auth.routes.parts import (
    MayReadUsers,
    MayWriteGrants,
    MayWriteUsers,
    PartsOf,
    not_stored,
)
from services.auth.usecases.verdicts import Caller

MAX_PAGE = 100

UserPath = Annotated[str, Path(pattern=USER_ID_PATTERN)]

users = APIRouter(
    prefix="/api/admin/users/{user_id}", tags=["users"], dependencies=[Depends(not_stored)]
)
audit = APIRouter(prefix="/api/admin/audit", tags=["users"], dependencies=[Depends(not_stored)])
grants = APIRouter(prefix="/api/grants", tags=["grants"], dependencies=[Depends(not_stored)])


class AuditQuery(Order):
    """A page of the audit; `before` is the `next` of the page before."""

    user_id: UserId | None = None
    before: int = Field(default=MAX_TOTAL, ge=1, le=MAX_TOTAL)
    limit: int = Field(default=20, ge=1, le=MAX_PAGE)


@users.get("", responses=refusals(404))
async def read(user_id: UserPath, caller: MayReadUsers, parts: PartsOf) -> ManagedAccount:
    """An account."""
    return await parts.administration.read(user_id)


@users.get("/account", responses=refusals(404))
async def export(user_id: UserPath, caller: MayReadUsers, parts: PartsOf) -> AccountExport:
    """All that is kept of a person here."""
    return await parts.administration.export(user_id)


@users.put("/roles", responses=refusals(404, 409))
async def change_roles(
    user_id: UserPath, order: RolesOrder, caller: MayWriteUsers, parts: PartsOf
) -> ManagedAccount:
    """Give a user these roles instead of theirs; all that they are signed in with ends."""
    warrant = _warrant(caller, order.reason)
    return await parts.administration.change_roles(user_id, roles_of(order.roles), warrant)


@users.post("/ban", responses=refusals(404))
async def ban(
    user_id: UserPath, order: Reason, caller: MayWriteUsers, parts: PartsOf
) -> ManagedAccount:
    """Let a user in no more, whoever vouches for them; all that they are signed in with ends."""
    return await parts.administration.ban(user_id, _warrant(caller, order.reason))


@users.post("/unban", responses=refusals(404))
async def unban(
    user_id: UserPath, order: Reason, caller: MayWriteUsers, parts: PartsOf
) -> ManagedAccount:
    """Let a user in again."""
    return await parts.administration.unban(user_id, _warrant(caller, order.reason))


@users.post("/logout", status_code=204, responses=refusals(404))
async def log_out(user_id: UserPath, order: Reason, caller: MayWriteUsers, parts: PartsOf) -> None:
    """End all that a user is signed in with."""
    await parts.administration.log_out(user_id, _warrant(caller, order.reason))


@users.delete("", responses=refusals(404, 409))
async def erase(user_id: UserPath, order: Reason, caller: MayWriteUsers, parts: PartsOf) -> Erasure:
    """Forget a person for ever; the same answer however often it is asked."""
    return await parts.administration.erase(user_id, _warrant(caller, order.reason))


@audit.get("/accounts")
async def read_audit(
    query: Annotated[AuditQuery, Query()], caller: MayReadUsers, parts: PartsOf
) -> AuditPage:
    """Who did what to accounts, newest first."""
    return await parts.administration.audit(query.user_id, before=query.before, limit=query.limit)


@grants.post("")
async def grant(order: GrantOrder, caller: MayWriteGrants, parts: PartsOf) -> Grant:
    """Leave for a user to add once, so much at most, and not before so long."""
    return parts.issue.for_action(order)


def _warrant(caller: Caller, reason: str) -> Warrant:
    return Warrant(caller.user_id, caller.roles, reason_of(reason))
