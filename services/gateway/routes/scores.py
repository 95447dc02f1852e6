"""Sending increments, and reading one's own."""

import asyncio
import json
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from libs.common import problems
from libs.common.at_once import Fields
from libs.common.contracts.scores import Answer
from libs.common.contracts.values import MAX_TOTAL, Contract, Total, UserId
from libs.common.errors import AppError, RateLimited
from services.gateway.domain.bodies import INCREMENT_FIELD, parse_increment
from services.gateway.domain.headers import (
    GRANT_PATTERN,
    KEY_PATTERN,
    MAX_GRANT_CHARACTERS,
    Quota,
    parse_action_grant,
    parse_idempotency_key,
)
from services.gateway.routes.access import MayReadScores, MayWriteScores
from services.gateway.routes.parts import (
    JSON,
    body,
    client_address,
    parts,
    request_id,
    require_json,
)
from services.gateway.routes.problems import BODY, refusals
from services.gateway.usecases.doors import HistoryPage
from services.gateway.usecases.scores import counted

PATH = "/api/scores"
KEY_HEADER = "Idempotency-Key"
GRANT_HEADER = "Action-Grant"
MAX_HISTORY_PAGE = 100

_COUNTED = b'{"user_id":%b,"new_score":%d,"version":%d}'
_JSON = (b"content-type", JSON.encode())
_EXAMPLE_KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'
_TEXT = {"schema": {"type": "string"}}
_ADD_SCORE: dict[str, Any] = {
    "parameters": [
        {
            "name": KEY_HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "pattern": KEY_PATTERN},
            "example": _EXAMPLE_KEY,
            "description": "Counts the increment once, however often it is sent: same key and "
            "body, same answer, for ever. Printable ASCII, as a quoted string or bare. Without "
            "one the gateway makes a key and returns it.",
        },
        {
            "name": GRANT_HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "pattern": GRANT_PATTERN},
            "description": "What the game server got from `POST /api/grants` for this player. "
            "It counts once, however often it is sent, and needs no key: then none is returned. "
            f"At most {MAX_GRANT_CHARACTERS} characters.",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "type": "object",
                    "required": [INCREMENT_FIELD],
                    "additionalProperties": False,
                    "properties": {
                        INCREMENT_FIELD: {
                            "type": "integer",
                            "minimum": 1,
                            "maximum": MAX_TOTAL,
                            "description": "at most MAX_INCREMENT; see GET /api/config",
                        }
                    },
                },
                "example": {INCREMENT_FIELD: 10},
            }
        },
    },
}
_HEADERS: dict[str, Any] = {
    KEY_HEADER: {"description": "the key that was sent, or made if there is no grant", **_TEXT},
    "Idempotency-Replayed": {"description": "`true`: this is the stored answer again", **_TEXT},
    "RateLimit-Policy": {"description": 'such as `"user";q=5;w=1`', **_TEXT},
    "RateLimit": {"description": 'such as `"user";r=4;t=1`', **_TEXT},
}

router = APIRouter(tags=["scores"])


class Counted(Contract):
    """The caller's total, durable; `version` counts every change of it."""

    user_id: UserId
    new_score: Total
    version: int


@router.post(
    PATH,
    response_model=Counted,
    responses={200: {"headers": _HEADERS}, **refusals(401, 403, *BODY, 409, 429, 503)},
    openapi_extra=_ADD_SCORE,
)
async def add_score(request: Request, caller: MayWriteScores) -> Response:
    """
    Add to the caller's score.

    A 200 means: on disk. After a 503, or no answer, send it again with the same key or grant.
    """
    part = parts(request)
    asked = request_id(request)
    sent_keys = request.headers.getlist(KEY_HEADER)
    sent_grants = request.headers.getlist(GRANT_HEADER)
    grant = parse_action_grant(sent_grants) if sent_grants else ""
    # A grant has an id, which is the key.
    made_key = "" if sent_grants else uuid4().hex
    key = parse_idempotency_key(sent_keys) if sent_keys else made_key
    # The key as it was sent: what comes back can be sent again.
    sent_key = (sent_keys[0] if sent_keys else key).encode("latin-1")
    try:
        require_json(request)
        points = parse_increment(await body(request), maximum=part.max_increment)
        counting = part.add_score.submit(
            caller,
            points,
            idempotency_key=key,
            request_id=asked,
            fingerprint=part.fingerprint(request.scope["headers"], client_address(request)),
            grant=grant,
        )
        await asyncio.wait([counting])
        answer = counted(counting)
    except AppError as error:
        return refused(error, part.quota, request_id=asked, sent_key=sent_key)
    fields, content = accepted(answer, part.quota, sent_key=sent_key)
    response = Response(content)
    response.raw_headers = fields
    return response


def accepted(answer: Answer, quota: Quota, *, sent_key: bytes) -> tuple[Fields, bytes]:
    """Header fields and body of a 200; `sent_key` is empty if a grant was sent."""
    # What pydantic writes of a `Counted`, at a third of its cost.
    user_id = json.dumps(answer.user_id).encode()
    content = _COUNTED % (user_id, answer.new_score, answer.version)
    fields = [
        (b"content-length", b"%d" % len(content)),
        _JSON,
        *quota.fields(answer.remaining),
    ]
    if sent_key:
        fields.append((b"idempotency-key", sent_key))
    if answer.replayed:
        fields.append((b"idempotency-replayed", b"true"))
    return fields, content


def refused(error: AppError, quota: Quota, *, request_id: str, sent_key: bytes) -> Response:
    """A refusal, with what a client needs to send the increment again."""
    response = problems.from_error(error, request_id=request_id)
    if error.code == RateLimited.code:  # not a day's limit, nor a grant's time
        response.raw_headers += quota.fields(0)
    if sent_key:
        response.raw_headers.append((b"idempotency-key", sent_key))
    return response


@router.get("/api/scores/me/history", responses=refusals(401, 403, 422, 503))
async def read_history(
    request: Request,
    caller: MayReadScores,
    limit: Annotated[int, Query(ge=1, le=MAX_HISTORY_PAGE)] = 20,
    before: Annotated[int | None, Query(ge=1, le=MAX_TOTAL, description="`next`")] = None,
) -> HistoryPage:
    """The changes of the caller's total, newest first."""
    return await parts(request).history.entries(caller.context, before=before, limit=limit)
