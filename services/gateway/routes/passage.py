"""
Handing a request on to the service that owns the answer: one way for all of them.

The owner checks the permission again, and its refusals are passed on as they are: they carry the
caller's request id, which goes along.
"""

from collections.abc import Mapping
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from libs.common.contracts.identities import Verdict
from services.gateway.routes.parts import client_address, parts, passed_on, request_id
from services.gateway.usecases.doors import TIMEOUT_SECONDS, Forwarded

PUBLIC_PREFIX = "/api/admin/"
INTERNAL_PREFIX = "/internal/admin/"

Query = Mapping[str, str]

_NOTHING: Query = {}


def own_name(request: Request) -> dict[str, str]:
    """Headers for auth, which judges the caller's token itself."""
    headers = {
        "X-Forwarded-For": client_address(request),
        "X-Request-ID": request_id(request),
    }
    authorization = request.headers.get("authorization")
    return headers | {"Authorization": authorization} if authorization else headers


def vouched_for(request: Request, caller: Verdict) -> dict[str, str]:
    """Headers for score and notification: auth's word on the caller, beside our own identity."""
    return {"X-User-Context": caller.context, "X-Request-ID": request_id(request)}


async def to_auth(request: Request, *, query: Query = _NOTHING, body: bytes = b"") -> Response:
    """What auth says at the same path."""
    forwarded = Forwarded(request.method, _path(request), own_name(request), query, body)
    return passed_on(await parts(request).accounts.forward(forwarded))


async def to_score(
    request: Request,
    caller: Verdict,
    *,
    query: Query = _NOTHING,
    body: bytes = b"",
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Response:
    """What score says at the internal path of the same name."""
    headers = vouched_for(request, caller)
    forwarded = Forwarded(request.method, _inside(request), headers, query, body, timeout_seconds)
    return passed_on(await parts(request).corrections.forward(forwarded))


async def to_notification(
    request: Request, caller: Verdict, *, query: Query = _NOTHING, body: bytes = b""
) -> Response:
    """What notification says at the internal path of the same name."""
    headers = vouched_for(request, caller)
    forwarded = Forwarded(request.method, _inside(request), headers, query, body)
    return passed_on(await parts(request).sessions.forward(forwarded))


def _path(request: Request) -> str:
    # Encoded anew, and not from `request.url`, which ends at a "?" in a user's id.
    return quote(request.scope["path"])


def _inside(request: Request) -> str:
    return _path(request).replace(PUBLIC_PREFIX, INTERNAL_PREFIX, 1)
