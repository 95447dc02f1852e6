"""Through the whole stack: a rule is crossed, the board hides the user, a person decides."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp
import anyio
import pytest

from tests.stack import UNLIMITED, RunningStack, running_stack

# Everybody is held by their first increment.
AT_ONCE = {
    "signal": "active_hours",
    "window_seconds": 3600,
    "threshold": 1,
    "action": "hold",
    "shadow": False,
}
PATIENCE_SECONDS = 10

T = TypeVar("T")


@dataclass
class Player:
    """Somebody with a token, at the gateway."""

    session: aiohttp.ClientSession
    token: str

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": uuid4().hex}
        async with self.session.request(method, path, json=body, headers=headers) as answer:
            assert answer.status in (200, 202), await answer.text()
            return await answer.json()

    async def earn(self, points: int) -> int:
        answer = await self.call("POST", "/api/scores", {"score_increment": points})
        return int(answer["new_score"])

    async def board(self) -> dict[str, int]:
        page = await self.call("GET", "/api/leaderboard?limit=100")
        return {entry["user_id"]: entry["score"] for entry in page["entries"]}


@pytest.fixture(scope="module")
def suspicious_stack() -> Iterator[RunningStack]:
    with running_stack(UNLIMITED | {"BOT_RULES": json.dumps({"everybody": AT_ONCE})}) as stack:
        yield stack


@pytest.fixture
async def players(suspicious_stack: RunningStack) -> AsyncIterator[Callable[..., Player]]:
    async with aiohttp.ClientSession(suspicious_stack.urls["gateway"]) as session:
        yield lambda name, *roles: Player(
            session, suspicious_stack.token(name, roles or ("player",))
        )


async def until(ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    with anyio.fail_after(PATIENCE_SECONDS):
        while not holds(answer := await ask()):
            await anyio.sleep(0.05)
    return answer


async def test_a_held_player_loses_no_point_and_comes_back_with_all_of_them(
    players: Callable[..., Player],
) -> None:
    alice, mara = players("alice"), players("mara", "moderator")

    async def reviews() -> list[Any]:
        page = await mara.call("GET", "/api/admin/reviews?state=open")
        return [review for review in page["reviews"] if review["user_id"] == "alice"]

    assert await alice.earn(10) == 10
    (review,) = await until(reviews, bool)
    assert (review["rule"], review["held"]) == ("everybody", True)
    await until(alice.board, lambda board: "alice" not in board)
    assert await alice.earn(5) == 15

    order = {"decision": "accept", "reason": "an honest player"}
    done = await mara.call("POST", f"/api/admin/reviews/{review['review_id']}", order)
    assert (done["state"], done["held"]) == ("accepted", False)
    assert (await until(alice.board, lambda board: "alice" in board))["alice"] == 15


async def test_the_kill_switch_stops_it_for_whoever_comes_next(
    players: Callable[..., Player],
) -> None:
    bob, carol, mara = players("bob"), players("carol"), players("mara", "moderator")

    async def suspects() -> set[str]:
        page = await mara.call("GET", "/api/admin/reviews?limit=100")
        return {review["user_id"] for review in page["reviews"]}

    off = await mara.call("PUT", "/api/admin/bots", {"enabled": False, "reason": "a test"})
    assert not off["enabled"]
    await bob.earn(10)
    await until(bob.board, lambda board: "bob" in board)
    on = await mara.call("PUT", "/api/admin/bots", {"enabled": True, "reason": "tested"})
    assert on["enabled"]
    assert "everybody" in [rule["name"] for rule in on["rules"]]
    await carol.earn(10)

    assert "bob" not in await until(suspects, lambda names: "carol" in names)
