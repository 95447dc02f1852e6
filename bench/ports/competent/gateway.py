"""Gateway: the public door. Checks the token itself; answers are handed on as they come."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import aiohttp
import jwt
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings

ALGORITHM = "HS256"
MAX_INCREMENT = 1_000_000
MAX_CONNECTIONS = 256
ANSWER_SECONDS = 10.0


class Settings(BaseSettings):
    """From the environment."""

    jwt_secret: str
    score_url: str
    scoreboard_url: str


class ScoreIncrement(BaseModel):
    """What a player asks for."""

    score_increment: int = Field(strict=True, ge=1, le=MAX_INCREMENT)


class NewScore(BaseModel):
    """What the player has now."""

    user_id: str
    new_score: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any], None]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
    ) as session:
        yield {"settings": Settings(), "session": session}


app = FastAPI(title="gateway", lifespan=lifespan)


@app.exception_handler(aiohttp.ClientError)
@app.exception_handler(TimeoutError)
async def unavailable(request: Request, error: Exception) -> JSONResponse:
    """Another service does not answer."""
    return JSONResponse({"detail": "try again later"}, status_code=503)


async def current_user(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> str:
    """The id of the player whose token came with the request."""
    try:
        claims = jwt.decode(
            credentials.credentials, request.state.settings.jwt_secret, algorithms=[ALGORITHM]
        )
    except jwt.InvalidTokenError:
        raise HTTPException(status_code=401, detail="invalid token") from None
    if "player" not in claims["roles"]:
        raise HTTPException(status_code=403, detail="only for players")
    return str(claims["sub"])


@app.post("/api/scores", response_model=NewScore)
async def add_score(
    body: ScoreIncrement, request: Request, user_id: Annotated[str, Depends(current_user)]
) -> Response:
    """Add to the caller's score; it is on disk when this is answered."""
    async with request.state.session.post(
        f"{request.state.settings.score_url}/scores",
        json={"user_id": user_id, "score_increment": body.score_increment},
    ) as answer:
        return await handed_on(answer)


@app.get("/api/leaderboard")
async def leaderboard(request: Request) -> Response:
    """The board, for anybody."""
    async with request.state.session.get(
        f"{request.state.settings.scoreboard_url}/leaderboard"
    ) as answer:
        return await handed_on(answer)


async def handed_on(answer: aiohttp.ClientResponse) -> Response:
    return Response(await answer.read(), answer.status, media_type="application/json")
