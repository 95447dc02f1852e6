"""
The ports that we compare ourselves with do what they should, and so does the product beside them.

Each is started once; the tests keep apart by their users.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from bench import cpu
from bench.contender import Contender, Sums, Target
from bench.ports import serve
from bench.ports.port import COMPETENT, NAIVE
from libs.common.kafka import readers

PATIENCE_SECONDS = 10
POLL_SECONDS = 0.05
SERVERS = {"postgres", "valkey", "kafka"}
SERVICES = {"gateway", "auth", "score", "scoreboard", "notification"}

Board = list[tuple[str, int]]


@dataclass(frozen=True)
class Bench:
    """A running contender, and a client of it."""

    contender: Contender
    target: Target
    http: aiohttp.ClientSession

    async def token(self, user: str) -> str:
        return (await self.contender.tokens(self.target, [user]))[user]

    async def post(self, token: str, body: object) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}
        async with self.http.post(self.target.post_url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def add(self, user: str, points: Sequence[int]) -> list[int]:
        """Increments of one user, all at once; the totals that were answered, in order of size."""
        token = await self.token(user)
        answers = await asyncio.gather(
            *(self.post(token, {"score_increment": each}) for each in points)
        )
        assert {status for status, _ in answers} == {200}
        assert {answer["user_id"] for _, answer in answers} == {user}
        return sorted(answer["new_score"] for _, answer in answers)

    async def board(self) -> Board:
        async with self.http.get(self.target.board_url) as answer:
            shown = await answer.json()
            return rows(shown.get("top_10") or shown["entries"])[:10]

    async def sums(self) -> Sums:
        sums = await self.contender.sums(self.target)
        assert sums is not None
        return sums


@pytest.fixture(scope="module", params=[NAIVE, COMPETENT], ids=lambda each: each.name)
def started(request: pytest.FixtureRequest) -> Iterator[tuple[Contender, Target]]:
    contender: Contender = request.param
    with contender.running() as target:
        yield contender, target


@pytest.fixture
async def bench(started: tuple[Contender, Target]) -> AsyncIterator[Bench]:
    timeout = aiohttp.ClientTimeout(PATIENCE_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        yield Bench(*started, http)


def rows(entries: Sequence[dict[str, Any]]) -> Board:
    return [(entry["user_id"], entry["score"]) for entry in entries]


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():
            await asyncio.sleep(POLL_SECONDS)


async def test_no_increment_of_two_users_at_once_is_lost(bench: Bench) -> None:
    before = await bench.sums()

    one, other = await asyncio.gather(
        bench.add("alice", range(1, 26)), bench.add("bob", [1000] * 25)
    )

    assert one[-1] == sum(range(1, 26))
    assert other == [1000 * count for count in range(1, 26)]
    after = await bench.sums()
    assert after.accepted == before.accepted + 50
    assert after.ledger == before.ledger + one[-1] + other[-1]


@pytest.mark.parametrize("token", ["", "nonsense", "e30.e30.e30"])
async def test_a_bad_token_is_refused(bench: Bench, token: str) -> None:
    status, _ = await bench.post(token, {"score_increment": 1})

    assert status == 401


@pytest.mark.parametrize("points", [0, -1, 1_000_001, 1.5, "1", True, None])
async def test_a_bad_body_is_refused_and_changes_nothing(bench: Bench, points: object) -> None:
    before = await bench.sums()

    status, _ = await bench.post(await bench.token("carol"), {"score_increment": points})

    assert status in {400, 422}
    after = await bench.sums()
    assert (after.accepted, after.ledger) == (before.accepted, before.ledger)


async def test_the_board_shows_the_ten_best_in_order(bench: Bench) -> None:
    expected = [(f"player-{n:02}", 100_000 + n) for n in range(12, 2, -1)]
    await asyncio.gather(*(bench.add(f"player-{n:02}", [100_000 + n]) for n in range(1, 13)))

    async def shown() -> bool:
        return await bench.board() == expected

    await eventually(shown)


async def test_watchers_see_the_newest_board_when_they_come_and_when_it_changes(
    bench: Bench,
) -> None:
    await bench.add("dave", [500_000])

    async def shown() -> bool:
        return ("dave", 500_000) in await bench.board()

    await eventually(shown)
    assert bench.target.events_url is not None
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        bench.http.ws_connect(bench.target.websocket_url) as socket,
        bench.http.get(bench.target.events_url) as events,
    ):
        assert events.content_type == "text/event-stream"
        await until_leader(frames(socket), ("dave", 500_000))
        await until_leader(events_of(events), ("dave", 500_000))

        await bench.add("erin", [600_000, 1])

        await until_leader(frames(socket), ("erin", 600_001))
        await until_leader(events_of(events), ("erin", 600_001))


async def test_what_was_accepted_the_ledger_and_the_board_agree(bench: Bench) -> None:
    before = await bench.sums()

    await asyncio.gather(*(bench.add(f"user-{n}", [3, 4, 5]) for n in range(20)))

    expected = Sums(before.accepted + 60, before.ledger + 240, before.ledger + 240)

    async def agree() -> bool:
        return await bench.sums() == expected

    await eventually(agree)


async def test_the_processes_are_known_by_name_and_have_worked(bench: Bench) -> None:
    assert set(bench.target.pids) == SERVERS | SERVICES
    assert all(spent > 0 for spent in cpu.by_name(bench.target.pids).values())


@pytest.mark.parametrize(
    "pause", ["EMPTY_FETCH_SECONDS", "IDLE_FETCH_SECONDS", "IDLE_AFTER_SECONDS"]
)
def test_the_ports_ask_the_broker_no_more_often_than_the_product(pause: str) -> None:
    assert getattr(serve, pause) == getattr(readers, pause)


async def frames(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    async for message in socket:
        yield json.loads(message.data)


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        if line.startswith(b"data:"):
            yield json.loads(line.removeprefix(b"data:"))


async def until_leader(stream: AsyncIterator[dict[str, Any]], leader: tuple[str, int]) -> None:
    """Read on until a board has this leader; each is in order and has at most ten users."""
    async for frame in stream:
        if frame.get("type", "snapshot") != "snapshot":
            continue
        top = rows(frame["top_10"])
        assert top == sorted(top, key=lambda row: -row[1])[:10]
        if top[0] == leader:
            return
    raise AssertionError(f"the stream ended before {leader} led")
