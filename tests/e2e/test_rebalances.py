"""Replicas of one region come, go, die and stand still while scores pour in."""

import asyncio
import re
import signal

import aiohttp

from libs.devstack import credentials
from tests import replicas
from tests.oracle import client, truth
from tests.stack import RunningStack

USERS = 100
PATIENCE_SECONDS = 30
# Longer than a member may be silent: who stood still so long is a member no more.
STILL_SECONDS = replicas.SESSION_MS / 1000 + 1


async def test_replicas_that_die_and_stand_still_leave_no_drift(stack: RunningStack) -> None:
    urls = stack.urls
    secret = credentials.load(stack.data_dir)["client_operator"]
    names = [f"rebalance-{number:03}" for number in range(USERS)]
    tokens = await client.tokens(urls["auth"], secret, names)
    work = client.Client(urls["gateway"], tokens, connections=8)
    with replicas.region(stack, "storm") as region:
        one, two = region.start("one"), region.start("two")
        await one.ready()
        await two.ready()
        async with replicas.listening(urls["kafka"], "storm") as heard:
            running = asyncio.ensure_future(work.run())
            one.kill()
            one = region.start("one")
            await one.ready()
            two.send(signal.SIGSTOP)
            # noida-db removes a member that is silent only when another joins.
            three = region.start("three")
            await asyncio.gather(three.ready(), asyncio.sleep(STILL_SECONDS))
            two.send(signal.SIGCONT)  # it still holds records that others have handled since
            await asyncio.sleep(1)
            work.stopped = True
            await running
            await until_equal(stack, region)
            alive = [one, two, three]
            assert [replica.exit_code for replica in alive] == [None] * 3
            assert await asyncio.gather(*(drift(replica.url) for replica in alive)) == [0] * 3
        assert heard
        assert all(len(tops) == 1 for tops in heard.values()), "one (epoch, rev), two top tens"
        epoch = max(heard)[0]
        left = {key.rpartition("}:")[2] for key in await region.keys()} - {"rebuild"}
        assert left == {"epoch", f"{epoch}:z", f"{epoch}:v", f"{epoch}:meta"}
        for replica in alive:
            replica.stop()


async def until_equal(stack: RunningStack, region: replicas.Region) -> None:
    """Wait until the region's board is the ledger: everybody, in order, and the sums."""
    async with region.board() as board, asyncio.timeout(PATIENCE_SECONDS):
        while True:
            ledger = await truth.totals(stack.urls["postgres"])
            points = sum(total.score for total in ledger.users)  # of those on hold, too
            epoch = await board.current()
            digest = await board.digest(epoch)
            everybody = await board.leaders(epoch, len(ledger.shown) + 1)
            if everybody == ledger.shown and digest.points == points:
                return
            await asyncio.sleep(0.1)


async def drift(scoreboard_url: str) -> float:
    """How many users differed at an audit that begins now or later."""
    async with aiohttp.ClientSession() as session:

        async def metrics() -> str:
            async with session.get(f"{scoreboard_url}/metrics") as answer:
                return await answer.text()

        def audits(text: str) -> float:
            return sum(map(float, re.findall(r"^scoreboard_audits_total\{.*\} (\S+)", text, re.M)))

        begun = audits(await metrics()) + 2  # the next may have begun before now
        async with asyncio.timeout(PATIENCE_SECONDS):
            while audits(text := await metrics()) < begun:
                await asyncio.sleep(0.2)
    found = re.search(r"^scoreboard_drift_users (\S+)", text, re.M)
    assert found is not None
    return float(found[1])
