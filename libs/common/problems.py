"""
Errors as HTTP answers: RFC 9457 `application/problem+json`, and the one table of status codes.

Every error has the same shape, also those of the framework (404, 405, 413, 422, 500).
"""

import math
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from libs.common import errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:live-scoreboard:problem:"

STATUS: dict[type[errors.AppError], int] = {
    errors.InvalidRequest: 422,
    errors.KeyReused: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.ScoreLimitReached: 409,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
}

_log = structlog.get_logger()


class Problem(BaseModel):
    """The body of every error."""

    type: str = Field(examples=[TYPE_PREFIX + "rate-limited"])
    status: int
    title: str
    detail: str
    request_id: str


PROBLEM_RESPONSE: dict[str, Any] = {
    "description": "What went wrong, as RFC 9457 says it",
    "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}},
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Those of a route's answers that are problems, for its `responses`."""
    return dict.fromkeys(statuses, PROBLEM_RESPONSE)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    request_id: str,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """An error as an answer."""
    body = Problem(
        type=TYPE_PREFIX + code,
        status=status,
        title=HTTPStatus(status).phrase,
        detail=detail,
        request_id=request_id,
    )
    return JSONResponse(body.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


def from_error(error: errors.AppError, *, request_id: str) -> JSONResponse:
    """A refusal as an answer, with `Retry-After` and `WWW-Authenticate` where they belong."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    headers = {}
    if error.retry_after_seconds > 0:
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(status, error.code, str(error), request_id=request_id, headers=headers)


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, errors.AppError)
        return from_error(error, request_id=_request_id(request))

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return problem(
            422, "invalid-request", f"{place}: {first['msg']}", request_id=_request_id(request)
        )

    async def framework(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_allowed(request))
        return problem(
            error.status_code,
            code,
            str(error.detail),
            request_id=_request_id(request),
            headers=headers,
        )

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        _log.error("request_failed", exc_info=error)
        request_id = _request_id(request)
        return problem(
            500,
            "internal-error",
            "something went wrong here; the request id finds it in our logs",
            request_id=request_id,
            # Starlette answers this outside of all middleware, so nobody else adds them.
            headers={"x-request-id": request_id, "x-content-type-options": "nosniff"},
        )

    app.add_exception_handler(errors.AppError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(Exception, unexpected)


def _allowed(request: Request) -> list[str]:
    """All methods of the path (RFC 9110 §10.2.1); the router knows those of its first route."""
    return sorted(
        {
            method
            for route in iter_route_contexts(request.app.routes)
            if route.methods and route.path_regex.match(request.scope["path"])
            for method in route.methods
        }
    )


def _request_id(request: Request) -> str:
    return str(request.scope.get("request_id", ""))
