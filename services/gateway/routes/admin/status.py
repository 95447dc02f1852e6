"""How the whole product is."""

from fastapi import APIRouter, Request

from libs.common.contracts.status import StatusReport
from services.gateway.routes.access import MayReadStatus
from services.gateway.routes.parts import parts
from services.gateway.routes.problems import refusals

router = APIRouter(tags=["operation"])


@router.get("/api/admin/status", responses=refusals(401, 403, 503))
async def read_status(request: Request, caller: MayReadStatus) -> StatusReport:
    """
    Health of every process, and chosen figures; at most a second old.

    What does not answer is shown as `down`, and the rest is shown all the same.
    """
    return await parts(request).read_status()
