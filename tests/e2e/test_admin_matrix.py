"""
Who may ask what of moderation and operation: every route that the running gateway documents, tried
by everybody, against one table that is stated here and nowhere taken from the code.
"""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.permissions import NEEDED
from tests.stack import RunningStack

ANONYMOUS = "anonymous"
PLAYER = {"scores:write", "scores:read", "stream:own"}
GRANTED = {
    ANONYMOUS: set[str](),
    "player": PLAYER,
    "moderator": PLAYER | {"fraud:read", "fraud:write", "users:read"},
    "ops": {"users:read", "users:write", "sessions:write", "fraud:read", "ops:read"},
    "game": {"grants:write"},
    "admin": PLAYER | {
        "fraud:read", "fraud:write", "users:read", "users:write", "sessions:write",
        "grants:write", "ops:read",
    },
}  # fmt: skip

# Nobody that another test knows, and nothing that is there.
NOWHERE = {
    "case_id": "matrix-nowhere", "user_id": "matrix-nobody", "review_id": "9007199254740991",
    "session_id": "matrix-nothing", "node": "matrix-nowhere",
}  # fmt: skip
# The documented example would switch the detector off for the tests that follow.
BODIES = {("PUT", "/api/admin/bots"): {"enabled": True, "reason": "it stays as it is"}}

Route = tuple[str, str]


async def documented(http: aiohttp.ClientSession) -> dict[Route, dict[str, Any]]:
    """The operations of moderation and operation, as the running gateway documents them."""
    async with http.get("/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    return {
        (method.upper(), path): operation
        for path, operations in paths.items()
        if path.startswith(("/api/admin", "/api/grants"))
        for method, operation in operations.items()
    }


def body_of(route: Route, operation: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {})
    return BODIES.get(route) or content.get("application/json", {}).get("example")


@pytest.fixture(scope="module")
def bearers(stack: RunningStack) -> dict[str, dict[str, str]]:
    """The header by which each role signs in."""
    return {
        role: {}
        if role == ANONYMOUS
        else {"Authorization": f"Bearer {stack.token(f'matrix-{role}', [role])}"}
        for role in GRANTED
    }


@pytest.fixture
async def http(stack: RunningStack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(stack.urls["gateway"]) as session:
        yield session


async def test_every_route_lets_in_whom_it_should_and_nobody_else(
    http: aiohttp.ClientSession, bearers: dict[str, dict[str, str]]
) -> None:
    operations = await documented(http)
    wrong = []
    for route, operation in operations.items():
        method, path = route
        for role, bearer in bearers.items():
            allowed = NEEDED[route] in GRANTED[role]
            async with http.request(
                method, path.format(**NOWHERE), headers=bearer, json=body_of(route, operation)
            ) as answer:
                text = await answer.text()
            if not as_it_should(answer, text, role, allowed=allowed):
                wrong.append(f"{role}: {method} {path}: {answer.status} {text}")

    assert not wrong, "\n".join(wrong)
    assert len(operations) * len(bearers) == len(NEEDED) * len(GRANTED)


def as_it_should(answer: aiohttp.ClientResponse, text: str, role: str, *, allowed: bool) -> bool:
    if allowed:
        # The framework's words: its owner does not have this route at all.
        missing = answer.status == 405 or '"detail":"Not Found"' in text
        return answer.status not in (401, 403) and answer.status < 500 and not missing
    refused_with = 401 if role == ANONYMOUS else 403
    return answer.status == refused_with and answer.content_type == "application/problem+json"


async def test_the_table_names_every_documented_route_and_its_permission(
    http: aiohttp.ClientSession,
) -> None:
    operations = await documented(http)

    assert {route: operation["x-permission"] for route, operation in operations.items()} == NEEDED
