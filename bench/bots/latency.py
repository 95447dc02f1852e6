"""
Can a bot see that it is suspected? Latencies of a user under review and on hold, and of another.

    python -m bench.bots.latency [--posts N]

A stack of its own; one connection, the two users in turn and in random order within each turn, and
the Mann-Whitney test on what came out: a small p would be a difference.
"""

import argparse
import asyncio
import math
import random
import statistics
import time
from collections.abc import Sequence
from itertools import groupby
from uuid import uuid4

import aiohttp
import asyncpg
from rich.console import Console
from rich.progress import track
from rich.table import Table

from libs.devstack import credentials
from tests.oracle import client
from tests.stack import UNLIMITED, RunningStack, running_stack

CLEAN, SUSPECT = "clean", "suspect"
WARM_UP_POSTS = 200
PERCENTILES = (1, 25, 50, 75, 95, 99)
MAX_P = 0.05

console = Console()


async def measure(stack: RunningStack, *, posts: int) -> None:
    urls = stack.urls
    secret = credentials.load(stack.data_dir)["client_operator"]
    tokens = await client.tokens(urls["auth"], secret, [CLEAN, SUSPECT])
    seconds: dict[str, list[float]] = {CLEAN: [], SUSPECT: []}
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(urls["gateway"], connector=connector) as session:

        async def turn() -> dict[str, float]:
            users = random.sample((CLEAN, SUSPECT), 2)
            return {user: await post(session, tokens[user]) for user in users}

        await turn()
        await suspect(urls["postgres"])
        for _ in range(WARM_UP_POSTS):
            await turn()
        for _ in track(range(posts), "posting", console=console, transient=True):
            for user, taken in (await turn()).items():
                seconds[user].append(taken)
    report(seconds)


async def post(session: aiohttp.ClientSession, token: str) -> float:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}
    started = time.perf_counter()
    async with session.post("/api/scores", json={"score_increment": 1}, headers=headers) as answer:
        await answer.read()
        assert answer.status == 200, answer.status
    return time.perf_counter() - started


async def suspect(database_url: str) -> None:
    """As if a rule had held the user; the detector itself would take its time."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO score.review (user_id, rule, action, evidence, since, holds)"
            " VALUES ($1, 'metronome', 'hold', '{}', now(), true)",
            SUSPECT,
        )
        held = await connection.fetchval(
            "SELECT held FROM score.set_held($1, $2, true, 'rule:metronome', 'bench', NULL)",
            uuid4(),
            SUSPECT,
        )
        assert held
    finally:
        await connection.close()


def mann_whitney_p(one: Sequence[float], other: Sequence[float]) -> float:
    """Two-sided p of the Mann-Whitney U test: normal approximation, corrected for ties."""
    together = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    n, m, total = len(one), len(other), len(together)
    ranks, ties, before = 0.0, 0, 0
    for _, group in groupby(together, key=lambda pair: pair[0]):
        labels = [label for _, label in group]
        ranks += labels.count(0) * (before + (len(labels) + 1) / 2)
        ties += len(labels) ** 3 - len(labels)
        before += len(labels)
    u = ranks - n * (n + 1) / 2
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    return math.erfc(abs(u - n * m / 2) / math.sqrt(2 * variance)) if variance else 1.0


def report(seconds: dict[str, list[float]]) -> None:
    table = Table(title="Milliseconds from request to answer", title_justify="left")
    table.add_column("user")
    for name in ("n", *(f"p{p}" for p in PERCENTILES)):
        table.add_column(name, justify="right")
    for user, taken in seconds.items():
        cuts = statistics.quantiles(taken, n=100)
        figures = [f"{1000 * cuts[p - 1]:.2f}" for p in PERCENTILES]
        table.add_row(user, str(len(taken)), *figures)
    console.print(table)
    p = mann_whitney_p(seconds[CLEAN], seconds[SUSPECT])
    verdict = "no difference to be seen" if p > MAX_P else "they differ"
    console.print(f"Mann-Whitney p = {p:.3f}: {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=2000, help="of each user")
    arguments = parser.parse_args()
    console.print("Starting a stack of its own …")
    with running_stack(UNLIMITED) as stack:
        asyncio.run(measure(stack, posts=arguments.posts))


if __name__ == "__main__":
    main()
