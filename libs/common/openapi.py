"""
The OpenAPI document of a service: what it asks of a caller, and how it refuses.

What every operation of a kind may answer is said here once; a route names the rest.
"""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.common.problems import PROBLEM_RESPONSE, Problem

AUTHORIZATION = "Authorization"

# What `server`, `app.BodyLimit` and the framework refuse wherever it may come; 400: not even text.
_OF_A_BODY = (400, 408, 413, 422)
_OF_PARAMETERS = (422, 431)
_OF_A_PROOF = (401, 403, 503)
_FRAMEWORKS_OWN = ("HTTPValidationError", "ValidationError")


class Proof(SecurityBase):
    """A header that says who calls, as a dependency: its value, empty if it was not sent."""

    def __init__(self, scheme_name: str, header: str = AUTHORIZATION) -> None:
        self.scheme_name = scheme_name
        self.model = (
            HTTPBearer(bearerFormat="JWT")
            if header == AUTHORIZATION
            else APIKey(**{"in": APIKeyIn.header}, name=header)
        )
        self._header = header

    async def __call__(self, request: Request) -> str:
        return request.headers.get(self._header, "")


Edge = Callable[[ASGIApp], ASGIApp]


class EdgedApi(FastAPI):
    """
    FastAPI behind an `edge`, which every connection meets first.

    Not as middleware: all would pass FastAPI's own before it, also those that need none of it.
    """

    def __init__(self, *, edge: Edge | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._edge = edge(super().__call__) if edge is not None else super().__call__

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._edge(scope, receive, send)


class ServiceApi(EdgedApi):
    """FastAPI whose document names the problems that come with a body, parameters or a proof."""

    def openapi(self) -> dict[str, Any]:
        known = self.openapi_schema
        document = super().openapi()
        if document is not known:
            _complete(document)
        return document


def _complete(document: dict[str, Any]) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _FRAMEWORKS_OWN:
        schemas.pop(name, None)
    schemas[Problem.__name__] = Problem.model_json_schema()
    for operations in document["paths"].values():
        for operation in operations.values():
            for status in _refusals(operation):
                operation["responses"][str(status)] = PROBLEM_RESPONSE


def _refusals(operation: dict[str, Any]) -> set[int]:
    return {
        *(_OF_A_BODY if "requestBody" in operation else ()),
        *(_OF_PARAMETERS if "parameters" in operation else ()),
        *(_OF_A_PROOF if "security" in operation else ()),
    }
