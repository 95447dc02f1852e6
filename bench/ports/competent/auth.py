"""Auth: issues access tokens. Whoever has the secret checks them without asking."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from secrets import compare_digest
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from pydantic_settings import BaseSettings

ALGORITHM = "HS256"
TOKEN_SECONDS = 6 * 3600


class Settings(BaseSettings):
    """From the environment."""

    jwt_secret: str
    operator_secret: str


class TokenOrder(BaseModel):
    """Who is to have a token."""

    user_ids: list[str]
    roles: list[str] = ["player"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any], None]:
    yield {"settings": Settings()}


app = FastAPI(title="auth", lifespan=lifespan)


@app.post("/tokens")
async def issue_tokens(
    order: TokenOrder,
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> dict[str, str]:
    """For the operator: access tokens, by user."""
    settings = request.state.settings
    if not compare_digest(credentials.credentials, settings.operator_secret):
        raise HTTPException(status_code=403, detail="only for the operator")
    expires = int(time.time()) + TOKEN_SECONDS
    return {
        user_id: jwt.encode(
            {"sub": user_id, "roles": order.roles, "exp": expires},
            settings.jwt_secret,
            algorithm=ALGORITHM,
        )
        for user_id in order.user_ids
    }
