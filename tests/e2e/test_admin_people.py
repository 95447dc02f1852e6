"""A person's export and erasure, a grant, and the status report, over the whole running stack."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.stack import RunningStack

REVOCATION_SECONDS = 5

Bearer = dict[str, str]


@pytest.fixture
async def http(stack: RunningStack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(stack.urls["gateway"]) as session:
        yield session


@pytest.fixture(scope="module")
def admin(stack: RunningStack) -> Bearer:
    return {"Authorization": f"Bearer {stack.token('people-admin', ['admin'])}"}


@pytest.fixture(scope="module")
def game(stack: RunningStack) -> Bearer:
    return {"Authorization": f"Bearer {stack.token('people-game', ['game'])}"}


async def ask(
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    bearer: Bearer,
    body: Any = None,
    **more: str,
) -> tuple[int, Any]:
    async with http.request(method, path, json=body, headers=bearer | more) as answer:
        return answer.status, await answer.json(content_type=None)


async def registered(http: aiohttp.ClientSession) -> tuple[str, Bearer]:
    body = {"login": f"p{uuid4().hex[:12]}", "password": uuid4().hex, "display_name": "Per Person"}
    status, tokens = await ask(http, "POST", "/api/auth/register", {}, body)
    assert status == 201
    return tokens["user_id"], {"Authorization": f"Bearer {tokens['access_token']}"}


async def test_a_person_is_exported_and_then_erased(
    http: aiohttp.ClientSession, admin: Bearer
) -> None:
    user_id, bearer = await registered(http)
    for _ in range(3):
        assert (await ask(http, "POST", "/api/scores", bearer, {"score_increment": 7}))[0] == 200
    path = f"/api/admin/users/{user_id}"

    status, export = await ask(http, "GET", f"{path}/export", admin)
    assert status == 200
    assert export["account"]["display_name"] == "Per Person"
    assert [line["balance_after"] for line in export["ledger"]] == [21, 14, 7]
    assert {len(line["fingerprint"]) for line in export["ledger"]} == {32}

    wish = {"reason": "asked for it by letter"}
    first = await ask(http, "DELETE", path, admin, wish)
    again = await ask(http, "DELETE", path, admin, wish)
    assert first == again
    assert first[0] == 200

    _, export = await ask(http, "GET", f"{path}/export", admin)
    assert export["account"] is None
    assert {line["fingerprint"] for line in export["ledger"]} == {None}
    async with asyncio.timeout(REVOCATION_SECONDS):
        while (await ask(http, "GET", "/api/auth/me", bearer))[0] != 401:
            await asyncio.sleep(0.05)


async def test_a_grant_counts_once_without_any_key(
    http: aiohttp.ClientSession, game: Bearer
) -> None:
    user_id, bearer = await registered(http)
    order = {"user_id": user_id, "max_increment": 10}
    status, grant = await ask(http, "POST", "/api/grants", game, order)
    assert status == 200
    redeem = {"Action-Grant": grant["grant"]}

    first = await ask(http, "POST", "/api/scores", bearer, {"score_increment": 9}, **redeem)
    again = await ask(http, "POST", "/api/scores", bearer, {"score_increment": 9}, **redeem)
    more = await ask(http, "POST", "/api/scores", bearer, {"score_increment": 11}, **redeem)

    assert first == again == (200, {"user_id": user_id, "new_score": 9, "version": 1})
    assert (more[0], more[1]["type"].rpartition(":")[2]) == (403, "grant-refused")


async def test_the_status_is_that_of_the_whole_stack(
    http: aiohttp.ClientSession, admin: Bearer
) -> None:
    status, report = await ask(http, "GET", "/api/admin/status", admin)

    assert status == 200
    assert {service["name"]: service["health"] for service in report["services"]} == dict.fromkeys(
        ("gateway", "auth", "score", "scoreboard", "notification"), "ok"
    )
    lags = [p["loop_lag_seconds"] for service in report["services"] for p in service["processes"]]
    assert len(lags) == 5
    assert None not in lags
    figures = report["figures"]
    assert figures["accepted_total"] >= 0
    assert {"outbox_batches", "consumer_lag_records", "streams"} <= {
        name for name, value in figures.items() if value is not None
    }
