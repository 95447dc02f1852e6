"""Who may ask for reviews and the detector, and with what body; auth is a fake that signs."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from libs.common import problems
from libs.common.contracts.reviews import Decision, Detector, Review, ReviewList, Switch
from libs.common.identity import ServiceDoor, auth_keys, context_verifier, open_session
from libs.common.tokens import Audience
from services.score.domain.bots import RULES
from services.score.domain.corrections import Actor
from services.score.routes.reviews import router
from tests.fake_auth import FakeAuth
from tests.fakes import START

REVIEW = Review(
    review_id=7,
    user_id="alice",
    rule="metronome",
    action="tag",
    evidence={"value": 0.99},
    state="open",
    held=False,
    opened_at=START,
)
ACCEPT = {"decision": "accept", "reason": "a rhythm game"}
OFF = {"enabled": False, "reason": "too many"}
CALLS = [
    ("GET", "/reviews", None, "fraud:read"),
    ("POST", "/reviews/7", ACCEPT, "fraud:write"),
    ("GET", "/bots", None, "fraud:read"),
    ("PUT", "/bots", OFF, "fraud:write"),
]


class Reviews:
    """Notes who asked for what."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def page(self, *, state: str | None, before: int, limit: int) -> ReviewList:
        self.asked.append((state, before, limit))
        return ReviewList(reviews=[REVIEW], next="7")

    async def decide(self, review_id: int, decision: Decision, actor: Actor) -> Review:
        self.asked.append((review_id, decision.decision, decision.reason, actor.user_id))
        return REVIEW

    async def detector(self) -> Detector:
        return Detector(enabled=True, rules=list(RULES))

    async def switch(self, order: Switch, actor: Actor) -> Detector:
        self.asked.append((order.enabled, order.reason, actor.user_id))
        return Detector(enabled=order.enabled, rules=list(RULES))


@pytest.fixture
def reviews() -> Reviews:
    return Reviews()


@pytest.fixture
async def auth() -> AsyncIterator[FakeAuth]:
    async with FakeAuth().listening() as auth:
        yield auth


@pytest.fixture
async def client(auth: FakeAuth, reviews: Reviews) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    app.include_router(router)
    async with open_session() as session:
        keys = auth_keys(session, auth.url)
        parts = SimpleNamespace(
            reviews=reviews,
            contexts=context_verifier(keys, Audience.SCORE),
            gateway_door=ServiceDoor(keys, callers=frozenset({"gateway"})),
        )

        async def with_parts(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": {"parts": parts}}, receive, send)

        transport = httpx2.ASGITransport(app=with_parts)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://score/internal/admin"
        ) as client:
            yield client


def from_gateway(auth: FakeAuth, *permissions: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {auth.service_token('gateway')}",
        "X-User-Context": auth.context("mara", Audience.SCORE, permissions=permissions),
    }


@pytest.mark.parametrize(("method", "path", "body", "permission"), CALLS)
async def test_each_call_wants_the_gateway_and_its_own_permission(
    client: httpx2.AsyncClient,
    auth: FakeAuth,
    method: str,
    path: str,
    body: Any,
    permission: str,
) -> None:
    async def status(headers: dict[str, str]) -> int:
        return (await client.request(method, path, json=body, headers=headers)).status_code

    allowed = from_gateway(auth, permission)
    other = "fraud:write" if permission == "fraud:read" else "fraud:read"
    scoreboard = f"Bearer {auth.service_token('scoreboard')}"
    assert await status(allowed) == 200
    assert await status(from_gateway(auth, other, "users:write")) == 403
    assert await status({**allowed, "Authorization": scoreboard}) == 403
    assert await status({"X-User-Context": allowed["X-User-Context"]}) == 401
    assert await status({**allowed, "X-User-Context": "forged"}) == 401


async def test_the_actor_is_whom_auth_names(
    client: httpx2.AsyncClient, auth: FakeAuth, reviews: Reviews
) -> None:
    headers = from_gateway(auth, "fraud:write")
    await client.post("/reviews/7", json=ACCEPT, headers=headers)
    await client.put("/bots", json=OFF, headers=headers)

    assert reviews.asked == [
        (7, "accept", "a rhythm game", "mara"),
        (False, "too many", "mara"),
    ]


async def test_the_queue_is_asked_for_by_state_and_page(
    client: httpx2.AsyncClient, auth: FakeAuth, reviews: Reviews
) -> None:
    headers = from_gateway(auth, "fraud:read")
    answer = await client.get("/reviews?state=open&before=9&limit=5", headers=headers)

    assert answer.json()["next"] == "7"
    assert answer.json()["reviews"][0]["evidence"] == {"value": 0.99}
    assert reviews.asked == [("open", 9, 5)]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/reviews?state=guilty", None),
        ("GET", "/reviews?limit=101", None),
        ("GET", "/reviews?before=0", None),
        ("POST", "/reviews/0", ACCEPT),
        ("POST", "/reviews/x", ACCEPT),
        ("POST", "/reviews/7", {"decision": "ban", "reason": "x"}),
        ("POST", "/reviews/7", {"decision": "accept"}),
        ("POST", "/reviews/7", {**ACCEPT, "points": 5}),
        ("POST", "/reviews/7", {**ACCEPT, "reason": ""}),
        ("PUT", "/bots", {"enabled": False}),
        ("PUT", "/bots", {**OFF, "enabled": "maybe"}),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    client: httpx2.AsyncClient, auth: FakeAuth, reviews: Reviews, method: str, path: str, body: Any
) -> None:
    headers = from_gateway(auth, "fraud:read", "fraud:write")
    answer = await client.request(method, path, json=body, headers=headers)

    assert answer.status_code == 422
    assert reviews.asked == []
