"""A rollback, from the moderator's request to the screen, through the public doors."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from libs.devstack import credentials
from tests.oracle import client
from tests.oracle.screens import Screen, watching
from tests.stack import RunningStack

PATIENCE_SECONDS = 15
# Above anything that another test earns on this stack.
HIGH = 1_000_000


class Desk:
    """What a moderator and the players send."""

    def __init__(self, http: aiohttp.ClientSession, stack: RunningStack) -> None:
        self._http = http
        self._gateway = stack.urls["gateway"]
        self._headers = {"Authorization": f"Bearer {stack.token('mara', ['moderator'])}"}

    async def admin(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = f"{self._gateway}/api/admin{path}"
        async with self._http.request(method, url, json=body, headers=self._headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def reverse(self, user: str) -> str:
        case_id = uuid4().hex
        order = {"case_id": case_id, "selector": {"user_id": user}, "reason": "bought points"}
        status, answer = await self.admin("POST", "/reversals", order)
        assert status == 202, answer
        return case_id

    async def earn(self, token: str, points: int) -> int:
        async with self._http.post(
            f"{self._gateway}/api/scores",
            json={"score_increment": points},
            headers={"Authorization": f"Bearer {token}"},
        ) as answer:
            assert answer.status == 200, await answer.text()
            total: int = (await answer.json())["new_score"]
            return total


@pytest.fixture
async def desk(stack: RunningStack) -> AsyncIterator[Desk]:
    async with aiohttp.ClientSession() as http:
        yield Desk(http, stack)


async def shown(screen: Screen, top: list[tuple[str, int]]) -> str:
    """The reason that came with the first frame that shows this."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while screen.top != tuple(top):
            await asyncio.sleep(0.01)
    return screen.reason


async def test_screens_are_corrected_and_the_eleventh_player_appears(
    stack: RunningStack, desk: Desk
) -> None:
    secret = credentials.load(stack.data_dir)["client_operator"]
    run = uuid4().hex[:6]
    users = [f"{run}-{n:02}" for n in range(11)]
    tokens = await client.tokens(stack.urls["auth"], secret, users)
    async with watching(stack.urls["notification"], 2) as screens:
        for n, user in enumerate(users):
            await desk.earn(tokens[user], HIGH - n)
        first_ten = [(user, HIGH - n) for n, user in enumerate(users[:10])]
        without_leader = [(user, HIGH - n) for n, user in enumerate(users[1:], 1)]
        for screen in screens:
            await shown(screen, first_ten)

        case_id = await desk.reverse(users[0])
        for screen in screens:
            assert await shown(screen, without_leader) == "correction"

        status, _ = await desk.admin(
            "POST", f"/reversals/{case_id}/revert", {"reason": "a mistake"}
        )
        assert status == 202
        for screen in screens:
            assert await shown(screen, first_ten) == "correction"

        status, held = await desk.admin("POST", f"/users/{users[0]}/hold", {"reason": "odd"})
        assert (status, held["held"], held["score"]) == (200, True, HIGH)
        for screen in screens:
            await shown(screen, without_leader)
        # Who is held goes on as before, and notices nothing in the answers.
        assert await desk.earn(tokens[users[0]], 1) == HIGH + 1
        await desk.admin("POST", f"/users/{users[0]}/release", {"reason": "fine"})
        for screen in screens:
            await shown(screen, [(users[0], HIGH + 1), *first_ten[1:]])

    # Out of the way of other tests.
    for user in users:
        await desk.reverse(user)


async def test_what_cannot_be_done_is_a_clear_problem(stack: RunningStack, desk: Desk) -> None:
    unknown = {"case_id": "c-1", "selector": {"user_id": "nobody-at-all"}, "reason": "x"}
    status, problem = await desk.admin("POST", "/reversals", unknown)
    assert (status, problem["detail"]) == (404, "the ledger knows no user nobody-at-all")
    assert problem["request_id"]
    status, problem = await desk.admin("POST", "/reversals", {**unknown, "selector": {}})
    assert status == 422
    assert "user_id" in problem["detail"]
    assert (await desk.admin("GET", "/reversals/c-1"))[0] == 404
