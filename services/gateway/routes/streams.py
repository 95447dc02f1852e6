"""What a page needs to open a stream; the streams themselves are notification's."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from libs.common.contracts.sessions import Ticket, TicketOrder
from services.gateway.routes.access import PUBLIC, MayStream
from services.gateway.routes.parts import parts
from services.gateway.routes.problems import refusals

HEARTBEAT_SECONDS = 5

router = APIRouter(tags=["streams"])


class Config(BaseModel):
    """What differs between installations."""

    stream_url: str = Field(description="base of /api/stream; empty: this origin", examples=[""])
    max_increment: int = Field(examples=[1_000_000])
    heartbeat_seconds: int = Field(examples=[HEARTBEAT_SECONDS])


@router.post("/api/stream/ticket", responses=refusals(401, 403, 503))
async def order_ticket(request: Request, caller: MayStream) -> Ticket:
    """A ticket for one private stream (own rank): `/api/stream?ticket=…`, once, within 30 s."""
    order = TicketOrder(context=caller.context, expires_at=caller.expires_at.timestamp())
    return await parts(request).tickets.order(order)


@router.get("/api/config", dependencies=[PUBLIC])
async def read_config(request: Request) -> Config:
    """Where the streams are, and the limits."""
    part = parts(request)
    return Config(
        stream_url=part.stream_url,
        max_increment=part.max_increment,
        heartbeat_seconds=HEARTBEAT_SECONDS,
    )
