"""What is measured with watchers, on a contender that is small enough to be right."""

import os
import shutil

import pytest

from bench import memory
from bench.contender import DoesNotCount, Sums
from bench.floor import fanout
from bench.load import files
from bench.workloads import deliveries, idle, screen, storm, stuck, sums
from tests.bench.small_contender import Small

PROBES = 200
compiled = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No warming up: nothing here is a figure."""
    for module, name in (
        (deliveries, "WARM_SECONDS"),
        (screen, "WARM_SECONDS"),
        (stuck, "FILL_SECONDS"),
        (idle, "QUIET_SECONDS"),
        (storm, "WARM_SECONDS"),
        (storm, "CALM_SECONDS"),
        (storm, "POST_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.3)


async def test_frames_that_arrived_are_counted_and_what_they_cost() -> None:
    run = await deliveries.measure(Small(), watchers=30, seconds=1, rate=20)

    figures = run.figures()
    assert 0 < run.frames <= 30 * 1.5 * 20
    assert 300 < run.frame_bytes < 1000
    assert figures["microseconds"] == pytest.approx(1e6 / figures["per_cpu_second"])
    assert "30 watchers" in str(run)


async def test_who_has_no_event_stream_is_not_measured_on_one() -> None:
    with pytest.raises(DoesNotCount, match="small has no server-sent events"):
        await deliveries.measure(Small(), watchers=30, events=True)


@pytest.mark.parametrize("rate", [20, 300])
async def test_every_update_is_timed_on_every_probe(rate: int) -> None:
    run = await screen.measure(Small(), rate=rate, watchers=PROBES + 20, seconds=0.5)

    assert run.shown.updates == 0.5 * min(rate, screen.MOST_TIMED_PER_SECOND)
    assert run.shown.every.count == run.shown.updates * PROBES
    assert run.shown.beside.accepted == 0.5 * rate - run.shown.updates
    assert 0 < run.figures()["p50_ms"] <= run.figures()["last_watcher_p99_ms"]


async def test_no_more_sockets_are_opened_than_there_may_be_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "most", lambda: 25)

    run = await idle.measure(Small(), watchers=40, seconds=0.5)

    assert (run.asked, run.watchers) == (40, 25)
    assert run.full_bytes >= run.empty_bytes > 0
    assert "25 sockets (of 40 asked)" in str(run)


async def test_the_same_readers_are_timed_without_and_with_those_who_read_nothing() -> None:
    run = await stuck.measure(Small(), watchers=40, seconds=0.4)

    assert (run.stuck, run.growth_seconds) == (2, 0.6)
    assert run.without.count == run.beside.count == 2 * 0.4 * stuck.RATE * 38
    assert run.figures()["p99_ratio"] > 0


async def test_a_storm_is_over_when_all_have_a_board_again() -> None:
    run = await storm.measure(Small(), watchers=60)

    assert 0 < run.seconds < storm.STORM_SECONDS
    assert run.peak_bytes >= run.before_bytes > 0
    assert "60 cut off" in str(run)


async def test_a_run_does_not_count_if_less_was_kept_than_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sums, "SETTLE_SECONDS", 0.0)
    with pytest.raises(DoesNotCount, match="sent"):
        await storm.measure(Small(Sums(1, 1, 1)), watchers=5)


def test_a_peak_is_that_since_it_was_reset() -> None:
    process = os.getpid()
    large = b"x" * 50_000_000
    before = memory.peak_bytes(process)
    del large

    memory.reset_peak(process)

    assert memory.resident_bytes(process) <= memory.peak_bytes(process) < before


@compiled
async def test_the_floor_sends_and_tells_what_it_cost() -> None:
    sends = await fanout.measure(sockets=10, rounds=5, per_second=100)

    assert 0 < sends.microseconds < 1000
    assert sends.figures()["watchers"] == 10


async def test_without_a_compiler_there_is_no_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(fanout.NoCompiler, match="C compiler"):
        await fanout.measure(sockets=10)
