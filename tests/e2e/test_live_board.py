"""The whole product, from POST to screen, on the embedded stack, through its public doors."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import aiohttp
import pytest

from tests.oracle import client, truth
from tests.oracle.screens import watching
from tests.oracle.trial import Places, trial
from tests.stack import UNLIMITED, RunningStack, running_stack

USERS = 1000
# The issue asks for 20,000; `INCREMENTS=20000 pytest tests/e2e` takes the time.
INCREMENTS = int(os.environ.get("INCREMENTS", "4000"))  # noqa: TID251
# The issue asks for 60 s; `BROKER_DOWN_SECONDS=60 pytest tests/e2e` takes the time.
BROKER_DOWN_SECONDS = float(os.environ.get("BROKER_DOWN_SECONDS", "8"))  # noqa: TID251
CONVERGED_SECONDS = 20
SILENCE_OVER_SECONDS = 45


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack(UNLIMITED | {"AUDIT_SECONDS": "2"}) as stack:
        yield stack


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def token(stack: RunningStack, user: str) -> str:
    places = Places.of(stack)
    return (await client.tokens(places.auth, places.operator_secret, [user]))[user]


def post_headers(token: str, key: str | None = None) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}"}
    return headers | ({"Idempotency-Key": key} if key else {})


async def test_an_increment_is_on_every_screen_at_once(
    stack: RunningStack, http: aiohttp.ClientSession
) -> None:
    urls = stack.urls
    user = "first"
    async with watching(urls["notification"], 2) as screens:
        sse = await http.get(f"{urls['notification']}/api/stream/sse")
        assert sse.headers["Content-Type"].startswith("text/event-stream")
        async with http.post(
            f"{urls['gateway']}/api/scores",
            json={"score_increment": 10},
            headers=post_headers(await token(stack, user)),
        ) as answer:
            assert answer.status == 200
            assert await answer.json() == {"user_id": user, "new_score": 10, "version": 1}
        async with asyncio.timeout(5):
            while not all(screen.top for screen in screens):
                await asyncio.sleep(0.01)
            async for line in sse.content:
                if user.encode() in line:
                    break
        sse.close()


async def test_a_hundred_equal_requests_at_once_are_one_entry(
    stack: RunningStack, http: aiohttp.ClientSession
) -> None:
    urls = stack.urls
    user = "hundred"
    headers = post_headers(await token(stack, user), uuid4().hex)

    async def post() -> tuple[int, bytes]:
        async with http.post(
            f"{urls['gateway']}/api/scores",
            json={"score_increment": 7},
            headers=headers,
        ) as answer:
            return answer.status, await answer.read()

    answers = await asyncio.gather(*(post() for _ in range(100)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 200
    entries = await truth.entries(urls["postgres"], [user])
    assert [entry.delta for entry in entries[user]] == [7]


async def test_thousands_of_increments_add_up_everywhere(stack: RunningStack) -> None:
    async with trial(Places.of(stack), users=USERS, connections=64, count=0) as work:
        started = time.monotonic()
        await work.client.run(INCREMENTS)
        print(f"{INCREMENTS / (time.monotonic() - started):.0f} increments/s")
        verdict = await work.verdict(patience_seconds=CONVERGED_SECONDS)
    assert len(verdict.history.acked) == INCREMENTS
    assert not verdict.violations


async def test_a_silent_broker_delays_screens_but_no_answer(stack: RunningStack) -> None:
    pid = stack.pid("kafka")
    async with trial(Places.of(stack), users=20, screens=1, connections=4) as work:
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(BROKER_DOWN_SECONDS)
            await work.stop_sending()
        finally:
            os.kill(pid, signal.SIGCONT)
        verdict = await work.verdict(patience_seconds=SILENCE_OVER_SECONDS)
    assert set(verdict.history.answers) == {"200"}
    assert not verdict.violations
