"""`live-scoreboard up` for real: what runs, what comes back, and what is left behind."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import jwt
import pytest

from libs.common.contracts.topics import SCORE_UPDATES
from libs.common.kafka import end_offsets
from libs.devstack import state
from tests.embedded import temporary_folder
from tests.stack import RunningStack

PROGRAMS = [
    *("postgres", "valkey", "kafka"),
    *("auth", "score", "scoreboard", "notification", "gateway"),
]


@pytest.fixture(scope="module")
def own() -> Iterator[RunningStack]:
    """A stack that these tests may hurt."""
    with temporary_folder() as folder:
        running = RunningStack(folder)
        try:
            running.start()
            yield running
        finally:
            running.stop()
            running.run("reset", "--yes")


def test_everything_runs_and_says_where(own: RunningStack) -> None:
    status = json.loads(own.run("status", "--json").stdout)

    assert [process["name"] for process in status["processes"]] == PROGRAMS
    assert all(process["health"] == "ok" for process in status["processes"])
    assert set(status["urls"]) == set(PROGRAMS)
    assert status["page"] == f"{own.urls['gateway']}/"


def test_the_greeting_shows_the_page_and_how_to_try_it(own: RunningStack) -> None:
    own.wait_until(lambda _: "Watch the board" in own.output)

    assert own.status()["page"] in own.output
    assert "curl -X POST" in own.output


def test_status_for_people_has_no_passwords(own: RunningStack) -> None:
    shown = own.run("status").stdout

    assert "postgres" in shown
    assert ":…@" in shown


def test_a_token_is_the_only_output_and_speaks_for_the_user(own: RunningStack) -> None:
    token = own.token("alice", ["player", "moderator"])

    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["sub"] == "alice"
    assert claims["roles"] == ["moderator", "player"]


def test_a_second_start_on_the_same_data_is_refused_with_the_address(own: RunningStack) -> None:
    again = own.run("up")

    assert again.returncode == 1
    assert own.status()["page"] in again.stderr
    assert again.stderr.count("\n") == 1


def test_running_data_are_not_deleted(own: RunningStack) -> None:
    assert own.run("reset", "--yes").returncode == 1
    assert own.data_dir.exists()


async def test_a_killed_broker_comes_back_with_all_partitions(own: RunningStack) -> None:
    own.wait_until_replaced("kafka", own.kill("kafka"))

    ends = await end_offsets(own.urls["kafka"], SCORE_UPDATES.name)
    assert len(ends) == SCORE_UPDATES.partitions


async def test_a_killed_postgresql_comes_back_with_its_data(own: RunningStack) -> None:
    await _execute(own, "CREATE TABLE kept AS SELECT 1")

    own.wait_until_replaced("postgres", own.kill("postgres"))

    assert await _execute(own, "SELECT count(*) FROM kept") == 1


def test_a_killed_service_comes_back(own: RunningStack) -> None:
    pid = own.kill("score")

    assert own.wait_until_replaced("score", pid) != pid
    assert own.process("score")["restarts"] >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux does so")
async def test_a_killed_supervisor_leaves_nothing_and_the_next_start_has_the_data(
    own: RunningStack,
) -> None:
    await _execute(own, "CREATE TABLE survives AS SELECT 1")
    processes = state.read(own.data_dir)
    assert processes is not None

    own.crash()
    own.start()

    assert not [p.name for p in processes.processes if p.pid is not None and _alive(p.pid)]
    assert await _execute(own, "SELECT count(*) FROM survives") == 1


def test_an_orderly_stop_ends_well_and_frees_the_data(own: RunningStack) -> None:
    pids = [process["pid"] for process in own.status()["processes"]]

    assert own.stop() == 0

    assert not [pid for pid in pids if _alive(pid)]
    assert own.run("status").returncode == 1


async def _execute(stack: RunningStack, statement: str) -> object:
    connection = await asyncpg.connect(stack.urls["postgres"])
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
