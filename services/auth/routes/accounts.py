"""What people call: accounts, sessions, and the public keys."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from libs.common.contracts.accounts import (
    Account,
    Credentials,
    LogOut,
    Profile,
    Registration,
    Renewal,
    Tokens,
)
from libs.common.problems import refusals
from libs.common.tokens import bearer
from services.auth.domain.keys import CACHE_SECONDS
from services.auth.domain.people import User
from services.auth.routes.parts import CallerOf, PartsOf, not_stored
from services.auth.usecases.sessions import SignedIn

accounts = APIRouter(prefix="/api/auth", tags=["accounts"], dependencies=[Depends(not_stored)])
keys = APIRouter(tags=["keys"])


@accounts.post("/register", status_code=201, responses=refusals(403, 409, 429, 503))
async def register(body: Registration, request: Request, parts: PartsOf) -> Tokens:
    """Make an account and sign in."""
    signed_in = await parts.accounts.register(
        login=body.login,
        password=body.password,
        display_name=body.display_name,
        address=_address(request),
    )
    return _tokens(signed_in)


@accounts.post("/login", responses=refusals(401, 403, 429, 503))
async def log_in(body: Credentials, request: Request, parts: PartsOf) -> Tokens:
    """Exchange a password for a session's tokens."""
    signed_in = await parts.accounts.log_in(
        login=body.login, password=body.password, address=_address(request)
    )
    return _tokens(signed_in)


@accounts.post("/refresh", responses=refusals(401, 429, 503))
async def refresh(body: Renewal, parts: PartsOf) -> Tokens:
    """Exchange a refresh token, once, for new tokens. A second use ends the session."""
    return _tokens(await parts.sessions.refresh(body.refresh_token))


@accounts.post("/logout", status_code=204, responses=refusals(401, 503))
async def log_out(
    parts: PartsOf,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
    body: LogOut | None = None,
    everywhere: Annotated[bool, Query(alias="all")] = False,
) -> None:
    """End the session of the access token, or of a refresh token, or all of the user's."""
    asked = body or LogOut()
    if asked.refresh_token and authorization is None:
        await parts.sessions.end_by_token(asked.refresh_token)
        return
    caller = await parts.identify(bearer(authorization))
    await parts.revoke.log_out(caller, everywhere=everywhere or asked.all)


@accounts.get("/me", responses=refusals(404))
async def me(caller: CallerOf, parts: PartsOf) -> Account:
    """The caller's account."""
    return _account(await parts.accounts.get(caller.user_id))


@accounts.patch("/me", responses=refusals(404))
async def change_me(body: Profile, caller: CallerOf, parts: PartsOf) -> Account:
    """Change the caller's display name."""
    return _account(await parts.accounts.rename(caller.user_id, body.display_name))


@keys.get("/.well-known/jwks.json")
async def published_keys(response: Response, parts: PartsOf) -> dict[str, Any]:
    """The keys that verify our tokens, as a JWK Set (RFC 7517)."""
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return dict(await parts.published_keys())


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _account(user: User) -> Account:
    return Account(user_id=user.user_id, display_name=user.display_name, roles=sorted(user.roles))


def _tokens(signed_in: SignedIn) -> Tokens:
    return Tokens(
        user_id=signed_in.user.user_id,
        display_name=signed_in.user.display_name,
        access_token=signed_in.access_token,
        expires_in=signed_in.expires_in,
        refresh_token=signed_in.refresh_token,
    )
