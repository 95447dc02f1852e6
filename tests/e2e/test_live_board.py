"""The whole product, from POST to screen, on the embedded stack, through its public doors."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import aiohttp
import pytest

from libs.devstack import credentials
from tests import load
from tests.stack import UNLIMITED, RunningStack, running_stack

USERS = 1000
INCREMENTS = 20_000
# The issue asks for 60 s; `BROKER_DOWN_SECONDS=60 pytest tests/e2e` takes the time.
BROKER_DOWN_SECONDS = float(os.environ.get("BROKER_DOWN_SECONDS", "8"))  # noqa: TID251
KILLED = (
    *("gateway", "auth", "score", "scoreboard", "notification"),
    *("postgres", "kafka", "valkey"),
)
CONVERGED_SECONDS = 10


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack(UNLIMITED) as stack:
        yield stack


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def players(stack: RunningStack, count: int, prefix: str) -> dict[str, str]:
    secret = credentials.load(stack.data_dir)["client_operator"]
    users = [f"{prefix}-{number:04}" for number in range(count)]
    return await load.tokens(stack.urls["auth"], secret, users)


def post_headers(token: str, key: str | None = None) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}"}
    return headers | ({"Idempotency-Key": key} if key else {})


async def test_an_increment_is_on_every_screen_at_once(
    stack: RunningStack, http: aiohttp.ClientSession
) -> None:
    urls = stack.urls
    ((user, token),) = (await players(stack, 1, "first")).items()
    async with load.watching(urls["notification"], 2) as watchers:
        sse = await http.get(f"{urls['notification']}/api/stream/sse")
        assert sse.headers["Content-Type"].startswith("text/event-stream")
        async with http.post(
            f"{urls['gateway']}/api/scores",
            json={"score_increment": 10},
            headers=post_headers(token),
        ) as answer:
            assert answer.status == 200
            assert await answer.json() == {"user_id": user, "new_score": 10, "version": 1}
        async with asyncio.timeout(5):
            while not all(w.snapshots and w.snapshots[-1]["top_10"] for w in watchers):
                await asyncio.sleep(0.01)
            async for line in sse.content:
                if user.encode() in line:
                    break
        sse.close()


async def test_a_hundred_equal_requests_at_once_are_one_entry(
    stack: RunningStack, http: aiohttp.ClientSession
) -> None:
    urls = stack.urls
    ((user, token),) = (await players(stack, 1, "hundred")).items()
    key = uuid4().hex

    async def post() -> tuple[int, bytes]:
        async with http.post(
            f"{urls['gateway']}/api/scores",
            json={"score_increment": 7},
            headers=post_headers(token, key),
        ) as answer:
            return answer.status, await answer.read()

    answers = await asyncio.gather(*(post() for _ in range(100)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 200
    ledger = await load.truth(urls["postgres"])
    assert ledger.totals[user] == 7
    assert sum(1 for who, _ in ledger.balances if who == user) == 1


async def test_twenty_thousand_increments_add_up_everywhere(stack: RunningStack) -> None:
    urls = stack.urls
    before = await load.truth(urls["postgres"])
    work = load.Load(urls["gateway"], await players(stack, USERS, "load"))
    async with load.watching(urls["notification"], 3) as watchers:
        started = time.monotonic()
        await work.run(INCREMENTS)
        print(f"{INCREMENTS / (time.monotonic() - started):.0f} increments/s, {work.statuses}")
        await load.seconds_until_converged(urls["gateway"], urls["postgres"], watchers, patience=20)
        ledger = await load.truth(urls["postgres"])
    assert ledger.entries - before.entries == INCREMENTS
    work.sent.update(before.totals)
    load.check(work, ledger, watchers)
    assert await drift(urls["scoreboard"]) == 0


async def test_every_process_may_be_killed_under_load(stack: RunningStack) -> None:
    urls = stack.urls
    before = await load.truth(urls["postgres"])
    work = load.Load(urls["gateway"], await players(stack, 200, "kill"), connections=16)
    async with load.watching(urls["notification"], 3) as watchers:
        running = asyncio.ensure_future(work.run(10**9))
        killed_at = 0.0
        for name in KILLED:
            await asyncio.sleep(1)
            killed_at = time.monotonic()
            pid = stack.kill(name)
            await asyncio.to_thread(stack.wait_until_replaced, name, pid)
            print(f"{name}: back after {time.monotonic() - killed_at:.1f} s")
        work.stopped = True
        await running
        patience = CONVERGED_SECONDS - (time.monotonic() - killed_at)
        await load.seconds_until_converged(
            urls["gateway"], urls["postgres"], watchers, patience=patience
        )
        print(f"converged {time.monotonic() - killed_at:.1f} s after the last kill")
        print(f"{work.sent.total()} points in {work.statuses}")
        ledger = await load.truth(urls["postgres"])
    work.sent.update(before.totals)
    load.check(work, ledger, watchers)


async def test_a_silent_broker_delays_screens_but_no_answer(stack: RunningStack) -> None:
    urls = stack.urls
    before = await load.truth(urls["postgres"])
    work = load.Load(urls["gateway"], await players(stack, 20, "broker"), connections=4)
    pid = stack.pid("kafka")
    async with load.watching(urls["notification"]) as watchers:
        os.kill(pid, signal.SIGSTOP)
        try:
            running = asyncio.ensure_future(work.run(10**9))
            await asyncio.sleep(BROKER_DOWN_SECONDS)
            work.stopped = True
            await running
        finally:
            os.kill(pid, signal.SIGCONT)
        assert set(work.statuses) == {"200"}
        await load.seconds_until_converged(urls["gateway"], urls["postgres"], watchers, patience=45)
        ledger = await load.truth(urls["postgres"])
    work.sent.update(before.totals)
    load.check(work, ledger, watchers)


async def drift(scoreboard_url: str) -> float:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{scoreboard_url}/metrics") as answer,
    ):
        text = await answer.text()
    return float(
        next(
            line.split()[1]
            for line in text.splitlines()
            if line.startswith("scoreboard_drift_users ")
        )
    )
