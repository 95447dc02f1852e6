"""
Who may call which route. Denied by default: every route names a permission, or `public`.

The name is part of what is enforced, so the documentation (`x-permission`) cannot disagree.
"""

from collections.abc import Iterator
from typing import Annotated, TypeVar

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.security.base import SecurityBase

from libs.common import health
from libs.common.contracts.identities import Verdict
from libs.common.errors import Forbidden
from libs.common.tokens import bearer
from services.gateway.routes.parts import parts

Kind = TypeVar("Kind")


class UndeclaredRoute(Exception):
    """A route names no permission, or two; it must not be served."""


class Access:
    """Who may call a route, by `name`; every route depends on exactly one."""

    name: str


class Public(Access):
    """Anyone may call this route."""

    name = "public"

    async def __call__(self) -> None:
        """Nothing to check."""


class Permission(Access, SecurityBase):
    """Lets in whoever holds the permission `name`; an empty one asks for a valid token only."""

    def __init__(self, name: str) -> None:
        self.name = name or "signed-in"
        self.model = HTTPBearer(bearerFormat="JWT")
        self.scheme_name = "bearer"
        self._needed = name

    async def __call__(self, request: Request) -> Verdict:
        """Raises `Unauthenticated`, `Forbidden` or `Unavailable`."""
        verdict = await parts(request).judge(bearer(request.headers.get("authorization")))
        if self._needed and self._needed not in verdict.permissions:
            raise Forbidden(f"this needs the permission {self._needed}")
        return verdict


WRITE_SCORES = "scores:write"
PUBLIC = Depends(Public())

SignedIn = Annotated[Verdict, Depends(Permission(""))]
MayWriteScores = Annotated[Verdict, Depends(Permission(WRITE_SCORES))]
MayReadScores = Annotated[Verdict, Depends(Permission("scores:read"))]
MayStream = Annotated[Verdict, Depends(Permission("stream:own"))]
MayReadFraud = Annotated[Verdict, Depends(Permission("fraud:read"))]
MayWriteFraud = Annotated[Verdict, Depends(Permission("fraud:write"))]
MayReadUsers = Annotated[Verdict, Depends(Permission("users:read"))]
MayWriteUsers = Annotated[Verdict, Depends(Permission("users:write"))]
MayCloseSessions = Annotated[Verdict, Depends(Permission("sessions:write"))]
MayGiveGrants = Annotated[Verdict, Depends(Permission("grants:write"))]
MayReadStatus = Annotated[Verdict, Depends(Permission("ops:read"))]


def permissions(app: FastAPI) -> dict[tuple[str, str], str]:
    """
    The permission of each `(method, path)`, or `public`; the internal probes are left out.

    Raises `UndeclaredRoute` with the route's path and name.
    """
    declared: dict[tuple[str, str], str] = {}
    for route in iter_route_contexts(app.routes):
        if getattr(route.endpoint, "__module__", "") == health.__name__:
            continue
        names = sorted({asked.name for asked in dependencies(route, Access)})
        if len(names) != 1:
            raise UndeclaredRoute(
                f"{route.path} ({route.name}) declares {names or 'no permission'}"
            )
        for method in route.methods or ():
            declared[method, str(route.path_format)] = names[0]
    return declared


def dependencies(route: RouteContext, kind: type[Kind]) -> Iterator[Kind]:
    """What a route depends on, of this class, however deep it is asked for."""
    dependant: Dependant | None = getattr(route, "dependant", None)
    if dependant is not None:
        yield from _walk(dependant, kind)


def _walk(dependant: Dependant, kind: type[Kind]) -> Iterator[Kind]:
    if isinstance(dependant.call, kind):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from _walk(inner, kind)
