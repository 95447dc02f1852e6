"""What a campaign does with its measurements, and what it makes of them."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import whole
from bench.campaign import Outcome, Run, Step, conduct
from bench.contender import DoesNotCount
from bench.ports.ours import Ours
from bench.ports.port import COMPETENT, NAIVE
from bench.report import picture, results, tables
from bench.report.targets import GOALS, judge

EVERYBODY = {each.name: each for each in (Ours(), COMPETENT, NAIVE)}


@dataclass(frozen=True)
class Seen:
    """A measurement that is done."""

    contender: str = "ours"

    def figures(self) -> dict[str, Any]:
        return {"per_cpu_second": 100.0}

    def __str__(self) -> str:
        return "100 [per] CPU-second"


async def works() -> Seen:
    return Seen()


async def fails() -> Seen:
    raise DoesNotCount("sent 3,\nkept 2")


async def takes_long() -> Seen:
    await asyncio.sleep(60)
    return Seen()


async def is_interrupted() -> Seen:
    os.kill(os.getpid(), signal.SIGINT)
    return await takes_long()


def step(measure: Callable[[], Awaitable[Seen]], expected_seconds: float = 0.0) -> Step:
    return Step("increments", "ours", measure, expected_seconds)


def recorder() -> Console:
    return Console(record=True, width=160)


def run(workload: str, contender: str, **figures: float) -> Run:
    return Run(workload, contender, figures, 1.0, stolen_share=0.01, sync_microseconds=98.0)


def test_what_does_not_count_is_said_and_the_rest_goes_on() -> None:
    console = recorder()

    outcome = conduct([step(fails), step(works)], console)

    assert outcome.uncounted == [("increments: ours", "sent 3, kept 2")]
    assert [each.figures["per_cpu_second"] for each in outcome.runs] == [100.0]
    said = console.export_text()
    assert "[1/2, 0:00 of about 0:00] increments: ours" in said
    assert "does not count: sent 3, kept 2" in said
    assert "100 [per] CPU-second" in said


def test_nothing_goes_beyond_the_limit() -> None:
    outcome = conduct(
        [step(takes_long), step(works, expected_seconds=3.0), step(works)],
        recorder(),
        limit_seconds=0.2,
    )

    assert [why for _, why in outcome.uncounted] == ["it took too long"]
    assert outcome.skipped[0] == ("increments: ours", "0:00 are left, it takes about 0:03")
    assert not outcome.interrupted


def test_after_an_interrupt_there_is_what_was_measured_before() -> None:
    outcome = conduct([step(works), step(is_interrupted), step(works)], recorder())

    assert outcome.interrupted
    assert len(outcome.runs) == 1


def test_a_folder_has_the_figures_the_tables_and_a_picture(tmp_path: Path) -> None:
    console = recorder()
    outcome = Outcome([run("increments", "ours", per_cpu_second=9000.0, users=1e3, microseconds=9)])

    results.show(outcome, console)
    folder = results.keep(outcome, console, tmp_path)

    kept = json.loads((folder / "results.json").read_text("utf-8"))
    assert kept["runs"][0]["figures"]["per_cpu_second"] == 9000.0
    assert kept["targets"][2] | {"seen": "9,000", "met": True} == kept["targets"][2]
    assert kept["machine"]["cores"]
    assert "stolen at most 1.0%; 8 kB on disk in 98 µs" in (folder / "output.txt").read_text(
        "utf-8"
    )
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_without_figures_there_is_no_picture(tmp_path: Path) -> None:
    assert not picture.draw([], tmp_path / "picture.png")


def test_targets_are_ratios_of_one_campaign() -> None:
    runs = [
        run("increments", "ours", per_cpu_second=7000.0, half_p50_ms=5.0),
        run("increments", "ours", per_cpu_second=9000.0, half_p50_ms=5.2),
        run("increments", "naive", per_cpu_second=300.0),
    ]

    judged = {(each.goal, each.seen, each.met) for each in judge(runs)}

    assert judged == {
        ("≥ 25 × naive", "26.7 × naive", True),
        ("≥ 6 × competent", "not measured", None),
        ("≥ 8,000", "8,000", True),
        ("≤ 5 ms", "5.1 ms", False),
    }


def test_every_target_is_measured_and_every_measurement_has_a_table() -> None:
    steps = whole.steps(EVERYBODY, quick=False)
    measured = {(each.workload, each.contender) for each in steps}

    for goal in GOALS:
        assert (goal.workload, "ours") in measured
        assert goal.beside is None or goal.beside in measured
    assert {workload.partition("-")[0] for workload, _ in measured} == set(tables.COLUMNS)


@pytest.mark.parametrize(("quick", "size"), [(False, whole.FULL), (True, whole.QUICK)])
def test_everything_fits_into_its_limit(quick: bool, size: whole.Size) -> None:
    steps = whole.steps(EVERYBODY, quick=quick)

    assert sum(each.expected_seconds for each in steps) <= size.limit_seconds


def test_only_the_product_can_be_filled_with_users() -> None:
    steps = whole.steps({"naive": NAIVE}, quick=False)

    assert {each.contender for each in steps if each.workload != "ledger"} == {"naive"}
