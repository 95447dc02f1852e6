"""What the bench counts, and what it refuses to count."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from bench import cpu, machine
from bench.campaign import turns
from bench.contender import DoesNotCount, Sums, Target
from bench.load.posted import Posted
from bench.workloads import sums as workload_sums
from bench.workloads.sums import EMPTY

TARGET = Target(post_url="", board_url="", websocket_url="")


class Kept:
    """A contender that has kept so much, and nothing else."""

    name = "kept"

    def __init__(self, *sums: Sums | None) -> None:
        self._sums = list(sums)

    async def sums(self, target: Target) -> Sums | None:
        return self._sums.pop(0) if len(self._sums) > 1 else self._sums[0]


def posted(accepted: int, points: int, **more: int) -> Posted:
    return Posted(sent=accepted, statuses=Counter({200: accepted}), points=points, **more)


async def settled(contender: Kept, *runs: Posted, since: Sums = EMPTY) -> None:
    await workload_sums.settled(contender, TARGET, runs, since=since)  # type: ignore[arg-type]


async def test_a_run_counts_once_the_board_has_what_was_sent() -> None:
    runs = posted(2, 10), posted(1, 5)
    await settled(Kept(Sums(3, 15, 10), Sums(3, 15, 15)), *runs)
    await settled(Kept(Sums(1003, 5015, 5015)), *runs, since=Sums(1000, 5000, 5000))
    await settled(Kept(None), *runs)  # a server of somebody else's cannot be asked


@pytest.mark.parametrize("sums", [Sums(2, 15, 15), Sums(3, 14, 15), Sums(3, 15, 16)])
async def test_a_run_does_not_count_if_anything_is_lost_or_doubled(
    sums: Sums, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload_sums, "SETTLE_SECONDS", 0.0)
    with pytest.raises(DoesNotCount, match="sent"):
        await settled(Kept(sums), posted(3, 15))


async def test_a_run_does_not_count_if_something_was_refused() -> None:
    with pytest.raises(DoesNotCount, match="503"):
        await settled(Kept(None), Posted(sent=2, statuses=Counter({200: 1, 503: 1})))


def test_contenders_take_turns() -> None:
    assert turns(["a", "b", "c"], 3) == ["a", "b", "c", "c", "b", "a", "a", "b", "c"]


def test_the_generator_has_a_core_of_its_own_where_there_are_two() -> None:
    assert machine.split([0, 1]) == ([1], [0])
    assert machine.split([0]) == ([0], [0])


def test_processes_and_their_children_are_kept_on_a_core() -> None:
    script = "import subprocess, sys; subprocess.run(['sleep', '60'])"
    parent = subprocess.Popen([sys.executable, "-c", script])
    try:
        while not (children := cpu.children(parent.pid)):
            pass
        machine.pin([parent.pid], {0})
        assert [os.sched_getaffinity(pid) for pid in (parent.pid, *children)] == [{0}, {0}]
        machine.pin([10**9], {0})  # one that is gone
    finally:
        for child in cpu.children(parent.pid):
            os.kill(child, 9)
        parent.kill()
        parent.wait()


def test_cpu_time_of_children_that_ended_counts() -> None:
    before = cpu.seconds(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
    assert cpu.seconds(os.getpid()) - before > 0.05
