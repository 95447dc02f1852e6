"""What the routes call, and how they read a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from fastapi import HTTPException, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from libs.common.errors import InvalidRequest
from services.gateway.domain.fingerprints import Fingerprinter
from services.gateway.domain.headers import Quota
from services.gateway.usecases.doors import Accounts, Board, History, Owner, Reply, Tickets
from services.gateway.usecases.names import ReadNames
from services.gateway.usecases.people import ErasePerson, ExportPerson
from services.gateway.usecases.scores import AddScore
from services.gateway.usecases.seats import Seats
from services.gateway.usecases.status import ReadStatus
from services.gateway.usecases.verdicts import JudgeToken

JSON = "application/json"


@dataclass(frozen=True)
class Parts:
    """Put into `request.state` by `main`."""

    judge: JudgeToken
    add_score: AddScore
    fingerprint: Fingerprinter
    read_names: ReadNames
    board: Board
    history: History
    accounts: Accounts
    tickets: Tickets
    corrections: Owner
    sessions: Owner
    export_person: ExportPerson
    erase_person: ErasePerson
    read_status: ReadStatus
    quota: Quota
    max_increment: int
    seats: Seats
    stream_url: str
    allowed_origins: frozenset[str]


def parts(scoped: Request) -> Parts:
    return cast(Parts, scoped.state.parts)


def request_id(request: Request) -> str:
    return str(request.scope["request_id"])


def client_address(request: Request) -> str:
    """As the first trusted hop saw it; empty for a socket of this machine."""
    return request.client.host if request.client else ""


def require_json(request: Request) -> None:
    """Raises 415 unless the body says it is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    if media_type.strip().lower() != JSON:
        raise HTTPException(415, f"send the body as {JSON}")


async def body(request: Request) -> bytes:
    """The body, bounded by `BodyLimit`: raises 408 or 413."""
    try:
        return await request.body()
    except ClientDisconnect:
        raise InvalidRequest("the body did not arrive") from None


def passed_on(reply: Reply, headers: Mapping[str, str] | None = None) -> Response:
    """A reply of another service as our own; `headers` are added."""
    return Response(reply.body, reply.status, headers={**reply.headers, **(headers or {})})
