"""Signing up and in: forwarded to auth, with nothing in it that a caller could have forged."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from libs.common.contracts.accounts import (
    Account,
    Credentials,
    LogOut,
    Profile,
    Registration,
    Renewal,
    Tokens,
)
from services.gateway.routes.access import PUBLIC, SignedIn
from services.gateway.routes.orders import Sent, written
from services.gateway.routes.parts import JSON, parts
from services.gateway.routes.passage import to_auth
from services.gateway.routes.problems import BODY, refusals

# A key is published long before it signs; half a minute of an older set changes nothing.
KEYS_CACHE_CONTROL = "public, max-age=30"

_CREDENTIALS = {"login": "alice", "password": "correct horse battery staple"}
_NAME = {"display_name": "Alice"}
_TOKEN = {"refresh_token": "…"}

RegistrationSent = Annotated[Registration, Depends(Sent(Registration, _CREDENTIALS | _NAME))]
CredentialsSent = Annotated[Credentials, Depends(Sent(Credentials, _CREDENTIALS))]
RenewalSent = Annotated[Renewal, Depends(Sent(Renewal, _TOKEN))]
LogOutSent = Annotated[LogOut, Depends(Sent(LogOut, _TOKEN))]
ProfileSent = Annotated[Profile, Depends(Sent(Profile, _NAME))]
All = Annotated[bool, Query(alias="all", description="all sessions of the user")]

router = APIRouter(tags=["accounts"])


@router.post(
    "/api/auth/register",
    status_code=201,
    dependencies=[PUBLIC],
    response_model=Tokens,
    responses=refusals(403, *BODY, 409, 429, 503),
)
async def register(request: Request, order: RegistrationSent) -> Response:
    """Make an account and sign in."""
    return await to_auth(request, body=written(order))


@router.post(
    "/api/auth/login",
    dependencies=[PUBLIC],
    response_model=Tokens,
    responses=refusals(401, *BODY, 429, 503),
)
async def login(request: Request, order: CredentialsSent) -> Response:
    """Exchange a password for a session's tokens."""
    return await to_auth(request, body=written(order))


@router.post(
    "/api/auth/refresh",
    dependencies=[PUBLIC],
    response_model=Tokens,
    responses=refusals(401, *BODY, 429, 503),
)
async def refresh(request: Request, order: RenewalSent) -> Response:
    """Exchange a refresh token, once, for new tokens. A second use ends the session."""
    return await to_auth(request, body=written(order))


@router.post(
    "/api/auth/logout",
    status_code=204,
    dependencies=[PUBLIC],
    responses=refusals(401, *BODY, 503),
)
async def logout(request: Request, order: LogOutSent, everywhere: All = False) -> Response:
    """
    End the session of the access token, or of a refresh token; with `all`, all of the user's.

    Auth judges what is sent, not the gateway: whose access token has ended can still sign out.
    """
    query = {"all": "true"} if everywhere else {}
    return await to_auth(request, query=query, body=written(order))


@router.get("/api/auth/me", response_model=Account, responses=refusals(401, 404, 503))
async def read_account(request: Request, caller: SignedIn) -> Response:
    """The caller's account."""
    return await to_auth(request)


@router.patch(
    "/api/auth/me",
    response_model=Account,
    responses=refusals(401, 404, *BODY, 503),
)
async def change_account(request: Request, caller: SignedIn, order: ProfileSent) -> Response:
    """Change the caller's display name."""
    return await to_auth(request, body=written(order))


@router.get("/.well-known/jwks.json", dependencies=[PUBLIC], responses=refusals(503))
async def read_keys(request: Request) -> Response:
    """The keys that verify our tokens, as a JWK set (RFC 7517)."""
    keys = await parts(request).accounts.keys()
    return Response(keys, media_type=JSON, headers={"Cache-Control": KEYS_CACHE_CONTROL})
