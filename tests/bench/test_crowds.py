"""Crowds that are put into the ledger, and the SQL that is all of the floor."""

import os

import asyncpg
from rich.console import Console

from bench.floor import batches
from bench.ports import crowds
from tests.faults.rebuild import fill

USERS = 20


async def test_members_of_a_crowd_are_in_the_ledger(database_url: str) -> None:
    await fill(database_url, USERS, Console(quiet=True))

    connection = await asyncpg.connect(database_url)
    try:
        ranked = await connection.fetch("SELECT user_id FROM score.user_score ORDER BY score DESC")
    finally:
        await connection.close()
    board = [row["user_id"] for row in ranked]
    assert crowds.members(USERS, USERS) == board
    assert crowds.members(USERS, 4) == board[::5]


async def test_the_floor_commits_batches_and_nothing_else() -> None:
    before = os.sched_getaffinity(0)
    floor = await batches.measure(rows_per_batch=8, seconds=0.3, users=USERS)

    assert floor.rows % 8 == 0
    assert floor.rows > 0
    assert floor.figures()["postgres_microseconds"] > 0
    assert os.sched_getaffinity(0) == before
