"""Deny by default: what a route must say, and what its documentation then says."""

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response

from libs.common.health import Readiness
from services.gateway import main
from services.gateway.routes.access import PUBLIC, MayWriteScores, UndeclaredRoute, permissions
from tests.permissions import NEEDED


def an_app(router: APIRouter) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    return app


async def stray() -> None:
    """A route that somebody added in a hurry."""


async def page(request: Request) -> Response:
    """The same, written for Starlette."""
    return Response()


async def guarded(caller: MayWriteScores) -> None:
    """A route that asks for a permission."""


async def test_a_route_without_a_permission_stops_start_up_with_its_name() -> None:
    router = APIRouter()
    router.get("/api/stray")(stray)

    with pytest.raises(UndeclaredRoute, match=r"/api/stray \(stray\)"):
        async with main.lifespan(an_app(router), Readiness()):
            pass


def test_a_route_beside_the_routers_is_found_too() -> None:
    app = FastAPI(openapi_url=None)
    app.add_route("/api/stray", page, name="stray")

    with pytest.raises(UndeclaredRoute, match="stray"):
        permissions(app)


def test_a_mounted_application_is_found_too() -> None:
    app = FastAPI(openapi_url=None)
    app.mount("/api/admin", FastAPI(), name="admin")

    with pytest.raises(UndeclaredRoute, match="admin"):
        permissions(app)


def test_a_route_that_is_public_and_guarded_is_refused() -> None:
    router = APIRouter(dependencies=[PUBLIC])
    router.get("/api/both")(guarded)

    with pytest.raises(UndeclaredRoute, match="public"):
        permissions(an_app(router))


def test_a_permission_is_found_however_deep_it_is_asked_for() -> None:
    router = APIRouter()
    router.get("/api/deep", dependencies=[Depends(guarded)])(stray)

    assert permissions(an_app(router)) == {("GET", "/api/deep"): "scores:write"}


def test_what_is_documented_is_what_is_enforced() -> None:
    declared = permissions(main.app)
    documented = {
        (method.upper(), path): operation["x-permission"]
        for path, operations in main.app.openapi()["paths"].items()
        for method, operation in operations.items()
    }

    assert documented == {route: declared[route] for route in documented}
    assert documented == {
        ("POST", "/api/scores"): "scores:write",
        ("GET", "/api/scores/me/history"): "scores:read",
        ("GET", "/api/leaderboard"): "public",
        ("GET", "/api/leaderboard/me"): "scores:read",
        ("GET", "/api/leaderboard/users/{user_id}"): "public",
        ("GET", "/api/players"): "public",
        ("POST", "/api/stream/ticket"): "stream:own",
        ("GET", "/api/config"): "public",
        ("POST", "/api/auth/register"): "public",
        ("POST", "/api/auth/login"): "public",
        ("POST", "/api/auth/refresh"): "public",
        ("POST", "/api/auth/logout"): "public",
        ("GET", "/api/auth/me"): "signed-in",
        ("PATCH", "/api/auth/me"): "signed-in",
        ("GET", "/.well-known/jwks.json"): "public",
        **NEEDED,
    }
