"""
Gateway: the public door. Asks auth who is calling, then has score add the increment.

The client is httpx2, httpx's successor: the same API for a good deal less CPU.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx2 as httpx
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings

MAX_INCREMENT = 1_000_000


class Settings(BaseSettings):
    """From the environment."""

    auth_url: str
    score_url: str
    scoreboard_url: str


class ScoreIncrement(BaseModel):
    """What a player asks for."""

    score_increment: int = Field(strict=True, ge=1, le=MAX_INCREMENT)


class NewScore(BaseModel):
    """What the player has now."""

    user_id: str
    new_score: int


class Entry(BaseModel):
    """A place on the board."""

    user_id: str
    score: int


class Leaderboard(BaseModel):
    """The best ten, best first."""

    top_10: list[Entry]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any], None]:
    async with httpx.AsyncClient() as client:
        yield {"settings": Settings(), "client": client}


app = FastAPI(title="gateway", lifespan=lifespan)


@app.exception_handler(httpx.HTTPError)
async def unavailable(request: Request, error: httpx.HTTPError) -> JSONResponse:
    """Another service does not answer, or not well."""
    return JSONResponse({"detail": "try again later"}, status_code=503)


async def current_user(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> str:
    """The id of the player whose token came with the request."""
    answer = await request.state.client.post(
        f"{request.state.settings.auth_url}/verify", json={"token": credentials.credentials}
    )
    if answer.status_code == 401:
        raise HTTPException(status_code=401, detail="invalid token")
    identity = answer.raise_for_status().json()
    if "player" not in identity["roles"]:
        raise HTTPException(status_code=403, detail="only for players")
    return str(identity["user_id"])


@app.post("/api/scores")
async def add_score(
    body: ScoreIncrement, request: Request, user_id: Annotated[str, Depends(current_user)]
) -> NewScore:
    """Add to the caller's score; it is on disk when this is answered."""
    answer = await request.state.client.post(
        f"{request.state.settings.score_url}/scores",
        json={"user_id": user_id, "score_increment": body.score_increment},
    )
    return NewScore.model_validate(answer.raise_for_status().json())


@app.get("/api/leaderboard")
async def leaderboard(request: Request) -> Leaderboard:
    """The board, for anybody."""
    answer = await request.state.client.get(f"{request.state.settings.scoreboard_url}/leaderboard")
    return Leaderboard.model_validate(answer.raise_for_status().json())
