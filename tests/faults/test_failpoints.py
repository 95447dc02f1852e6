"""Failpoints: every name is a place, and a process dies there once per arming."""

import subprocess
import sys
from collections.abc import Sequence
from inspect import iscoroutinefunction
from pathlib import Path
from random import Random

import pytest

from libs.devstack.settings import inherited
from libs.devstack.stack import SERVICES
from tests.faults.arming import Armory, resolve
from tests.faults.failpoints import FAILPOINTS, Failpoint
from tests.faults.victims import SERVERS, order

# A service with a failpoint in a plain method, and one in a coroutine.
ANNOUNCER = """
from services.scoreboard.usecases.announce import Announcer
announcer = Announcer(None, None, window_seconds=1, heartbeat_seconds=1)
announcer.changed()
print("went on")
"""
JUDGE = """
import asyncio
from services.auth.usecases.verdicts import Judge
async def identify(tokens):
    print("asked", flush=True)
    await asyncio.sleep(60)
asyncio.run(Judge(identify, None, None)(["token"]))
"""


@pytest.mark.parametrize("point", FAILPOINTS.values(), ids=FAILPOINTS)
def test_every_failpoint_is_a_place_in_a_service(point: Failpoint) -> None:
    owner, name = resolve(point)
    assert callable(getattr(owner, name))
    assert point.service in SERVICES
    assert point.cause in {"", *SERVICES, *SERVERS, *FAILPOINTS}
    if point.moment == "during":
        assert iscoroutinefunction(getattr(owner, name))


def test_a_process_dies_at_an_armed_failpoint_and_the_next_one_lives(tmp_path: Path) -> None:
    armory = Armory(tmp_path)
    armory.arm("scoreboard.changed")
    assert run(armory, "scoreboard", ANNOUNCER) == (-9, "")
    assert armory.taken("scoreboard.changed") is not None
    assert armory.taken("scoreboard.changed") is None
    assert run(armory, "scoreboard", ANNOUNCER) == (0, "went on\n")


def test_a_call_may_be_cut_short(tmp_path: Path) -> None:
    armory = Armory(tmp_path)
    armory.arm("auth.judging")
    assert run(armory, "auth", JUDGE) == (-9, "asked\n")


def test_another_service_lives(tmp_path: Path) -> None:
    armory = Armory(tmp_path)
    armory.arm("scoreboard.changed")
    assert run(armory, "score", ANNOUNCER) == (0, "went on\n")
    assert armory.taken("scoreboard.changed") is None


def test_all_ways_have_their_turn_before_one_comes_again() -> None:
    ways = {"a": ["a", "a.1", "a.2"], "b": ["b"]}
    chosen = order(ways, Random(1))
    singles = [way[0] for way in (next(chosen) for _ in range(9)) if len(way) == 1]
    assert sorted(way for way in singles if way.startswith("a")) == ["a", "a.1", "a.2"]
    assert singles.count("b") == 3


def test_the_same_seed_is_the_same_order() -> None:
    ways = {name: [name, f"{name}.1"] for name in SERVICES}

    def first(seed: int) -> list[Sequence[str]]:
        chosen = order(ways, Random(seed))
        return [next(chosen) for _ in range(50)]

    assert first(1) == first(1) != first(2)


def run(armory: Armory, service: str, program: str) -> tuple[int, str]:
    """Exit code and output of a Python that takes itself for this service."""
    ended = subprocess.run(
        [sys.executable, "-c", program, f"services.{service}.main:app"],
        env={**inherited(), **armory.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not ended.stderr
    return ended.returncode, ended.stdout
