"""Some worlds of a campaign, and those that give the wrong builds away."""

import os
import subprocess
import sys

import pytest

from tests.simulation.broken import BUILDS
from tests.simulation.campaign import Campaign, lives
from tests.simulation.services import Build

WORLDS = range(1, 51)
# What the first fifty do not hit, this one does.
TELLING = (240,)
REPLAYED = 5
REPLAY_SECONDS = 60


def test_all_promises_hold_and_every_guard_was_needed() -> None:
    campaign = Campaign()
    for life in lives(sorted({*WORLDS, *TELLING})):
        campaign.add(life)
    assert [(life.seed, life.broken) for life in campaign.broken] == []
    assert campaign.never == []


def test_a_seed_gives_the_same_trace_again_also_in_another_process() -> None:
    (first,), (second,) = lives([REPLAYED]), lives([REPLAYED])
    assert first == second
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", str(REPLAYED)],
        env=os.environ | {"PYTHONHASHSEED": "7"},  # noqa: TID251
        capture_output=True,
        text=True,
        timeout=REPLAY_SECONDS,
        check=True,
    )
    assert first.digest in told.stdout


def test_two_seeds_are_two_worlds() -> None:
    one, other = lives([1, 2])
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("name", "seed", "promise"),
    [
        ("no outbox", 1, "unpublished"),
        ("delta events", 1, "a board keeps only what the ledger had"),
        ("ZADD GT", 2, "a board keeps only what the ledger had"),
        ("expiring dedupe", 2, "doubled"),
        ("shared notification group", 2, "not converged"),
        ("rev without epoch", 1, "not converged"),
        ("top-10-only set", 1, "not converged"),
    ],
)
def test_a_wrong_build_is_caught_where_the_right_one_is_not(
    name: str, seed: int, promise: str
) -> None:
    (wrong,) = lives([seed], build=BUILDS[name])
    assert any(broken.startswith(promise) for broken in wrong.broken), wrong.broken
    (right,) = lives([seed], build=Build())
    assert right.broken == ()
