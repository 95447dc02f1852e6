"""Signing up and in: forwarded to auth, with nothing in it that a caller could have forged."""

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from libs.common.contracts.accounts import Account, Tokens
from services.gateway.domain.bodies import parse_object
from services.gateway.routes.access import PUBLIC, SignedIn
from services.gateway.routes.parts import JSON, body, parts, require_json
from services.gateway.routes.passage import to_auth
from services.gateway.routes.problems import BODY, refusals

# A key is published long before it signs; half a minute of an older set changes nothing.
KEYS_CACHE_CONTROL = "public, max-age=30"

_CREDENTIALS = {"login": "alice", "password": "correct horse battery staple"}
_QUERY = ("all",)

router = APIRouter(tags=["accounts"])


def _takes(example: dict[str, str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in example}}
    return {"requestBody": {"content": {JSON: {"schema": schema, "example": example}}}}


@router.post(
    "/api/auth/register",
    status_code=201,
    dependencies=[PUBLIC],
    response_model=Tokens,
    responses=refusals(403, *BODY, 409, 429, 503),
    openapi_extra=_takes({**_CREDENTIALS, "display_name": "Alice"}),
)
async def register(request: Request) -> Response:
    """Make an account and sign in."""
    return await _forward(request)


@router.post(
    "/api/auth/login",
    dependencies=[PUBLIC],
    response_model=Tokens,
    responses=refusals(401, *BODY, 429, 503),
    openapi_extra=_takes(_CREDENTIALS),
)
async def login(request: Request) -> Response:
    """Exchange a password for a session's tokens."""
    return await _forward(request)


@router.post(
    "/api/auth/refresh",
    dependencies=[PUBLIC],
    response_model=Tokens,
    responses=refusals(401, *BODY, 429, 503),
    openapi_extra=_takes({"refresh_token": "…"}),
)
async def refresh(request: Request) -> Response:
    """Exchange a refresh token, once, for new tokens. A second use ends the session."""
    return await _forward(request)


@router.post(
    "/api/auth/logout",
    status_code=204,
    dependencies=[PUBLIC],
    responses=refusals(401, *BODY, 503),
    openapi_extra=_takes({"refresh_token": "…"}),
)
async def logout(request: Request) -> Response:
    """
    End the session of the access token, or of a refresh token; with `all`, all of the user's.

    Auth judges what is sent, not the gateway: whose access token has ended can still sign out.
    """
    return await _forward(request)


@router.get("/api/auth/me", response_model=Account, responses=refusals(401, 503))
async def read_account(request: Request, caller: SignedIn) -> Response:
    """The caller's account."""
    return await _forward(request)


@router.patch(
    "/api/auth/me",
    response_model=Account,
    responses=refusals(401, *BODY, 503),
    openapi_extra=_takes({"display_name": "Alice"}),
)
async def change_account(request: Request, caller: SignedIn) -> Response:
    """Change the caller's display name."""
    return await _forward(request)


@router.get("/.well-known/jwks.json", dependencies=[PUBLIC], responses=refusals(503))
async def read_keys(request: Request) -> Response:
    """The keys that verify our tokens, as a JWK set (RFC 7517)."""
    keys = await parts(request).accounts.keys()
    return Response(keys, media_type=JSON, headers={"Cache-Control": KEYS_CACHE_CONTROL})


async def _forward(request: Request) -> Response:
    sent = await body(request)
    if sent:
        require_json(request)
        # Written anew: two parsers may read a raw body in two ways, but not this one.
        sent = json.dumps(parse_object(sent)).encode()
    query = {name: request.query_params[name] for name in _QUERY if name in request.query_params}
    return await to_auth(request, query=query, body=sent)
