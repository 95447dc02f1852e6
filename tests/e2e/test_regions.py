"""Two regions on one ledger and one broker, each with its own Redis, board and screens."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from uuid import uuid4

import aiohttp
import asyncpg

from libs.devstack import credentials
from tests import replicas
from tests.oracle import client, screens, truth
from tests.proxy import FROZEN, broker_proxy
from tests.stack import RunningStack

USERS = 150
# So few points for so many users that many of them share a total.
INCREMENTS = 400
PATIENCE_SECONDS = 20
CUT_OFF_SECONDS = 4

Top = list[tuple[str, int]]


async def players(stack: RunningStack, prefix: str) -> dict[str, str]:
    secret = credentials.load(stack.data_dir)["client_operator"]
    users = [f"{prefix}-{number:03}" for number in range(USERS)]
    return await client.tokens(stack.urls["auth"], secret, users)


async def hold(stack: RunningStack, user: str, *, held: bool) -> None:
    """As score does it: the change goes through the outbox."""
    connection = await asyncpg.connect(stack.urls["postgres"])
    try:
        await connection.execute(
            "SELECT score.set_held($1, $2, $3, 'test', 'a test', NULL)", uuid4(), user, held
        )
    finally:
        await connection.close()


async def top(http: aiohttp.ClientSession, scoreboard_url: str) -> Top:
    """The first hundred of one region."""
    async with http.get(f"{scoreboard_url}/boards/global?limit=100") as answer:
        if answer.status != 200:
            return []
        page = await answer.json()
    return [(entry["user_id"], entry["score"]) for entry in page["entries"]]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.05)


async def until_equal(stack: RunningStack, scoreboards: Sequence[str]) -> Top:
    """Wait until all regions show the ledger's top 100; that top."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_SECONDS):
        while True:
            expected = (await truth.totals(stack.urls["postgres"])).shown[:100]
            boards = [await top(http, url) for url in scoreboards]
            if all(board == expected for board in boards):
                return expected
            await asyncio.sleep(0.1)


async def test_two_regions_end_with_the_same_hundred(stack: RunningStack) -> None:
    urls = stack.urls
    with replicas.region(stack, "eu") as eu:
        scoreboard = eu.start("one")
        notification = eu.start("one", "notification", SCOREBOARD_URL=scoreboard.url)
        await scoreboard.ready()
        await notification.ready()
        work = client.Client(urls["gateway"], await players(stack, "region"), connections=16)
        async with (
            screens.watching(urls["notification"]) as here,
            screens.watching(notification.url) as there,
        ):
            await work.run(INCREMENTS)
            everywhere = [urls["scoreboard"], scoreboard.url]
            first = await until_equal(stack, everywhere)
            held = first[0][0]
            await hold(stack, held, held=True)
            shown = await until_equal(stack, everywhere)
            assert held not in dict(shown)
            assert len({score for _, score in shown}) < len(shown), "no tie among them"
            await until(lambda: here[0].top == there[0].top == tuple(shown[:10]))
            await hold(stack, held, held=False)
            back = await until_equal(stack, everywhere)
            assert back == first
            await until(lambda: here[0].top == there[0].top == tuple(first[:10]))

            # The other region's scoreboard stands still; its screens show no snapshot of ours.
            scoreboard.send(signal.SIGSTOP)
            before = there[0].top
            await work.run(20)
            now = tuple((await until_equal(stack, [urls["scoreboard"]]))[:10])
            await until(lambda: here[0].top == now)
            assert there[0].top == before
            scoreboard.send(signal.SIGCONT)
            await until(lambda: there[0].top == now)


async def test_a_region_that_was_cut_off_catches_up(stack: RunningStack) -> None:
    urls = stack.urls
    async with broker_proxy(urls["kafka"]) as way:
        with replicas.region(stack, "far", kafka=f"127.0.0.1:{way.port}") as far:
            # An audit asks the ledger, not the broker, and would keep the board up to date.
            far.audited = False
            scoreboard = far.start("one")
            await scoreboard.ready()
            work = client.Client(urls["gateway"], await players(stack, "cut"), connections=16)
            await work.run(100)
            everywhere = [urls["scoreboard"], scoreboard.url]
            before = await until_equal(stack, everywhere)
            way.requests = way.answers = FROZEN
            await asyncio.sleep(0.5)
            running = asyncio.ensure_future(work.run())
            await asyncio.sleep(CUT_OFF_SECONDS)
            async with aiohttp.ClientSession() as http:
                assert await top(http, scoreboard.url) == before, "the cut let something through"
            await way.heal()
            await asyncio.sleep(1)
            work.stopped = True
            await running
            assert set(work.history.answers) == {"200"}
            after = await until_equal(stack, everywhere)
            assert after != before
            assert scoreboard.exit_code is None
