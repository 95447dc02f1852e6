"""A folder for each campaign, which git ignores: everything as JSON, the tables, the picture."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from bench import machine
from bench.ablations.turns import ABLATION, factors
from bench.campaign import Outcome
from bench.report import picture, tables
from bench.report.select import workloads
from bench.report.targets import Judged, judge
from libs.common.clock import system_clock

FOLDER = Path("bench-results")


def show(outcome: Outcome, console: Console) -> None:
    """A table for each workload, the targets, and what does not count."""
    ablated = [run for run in outcome.runs if run.workload.startswith(ABLATION)]
    for workload, runs in workloads(outcome.runs).items():
        if not workload.startswith(ABLATION):
            console.print(tables.table(workload, runs))
    if ablated:
        console.print(factors(ablated))
    if judged := judge(outcome.runs):
        console.print(tables.targets(judged))
    for word, those in (("does not count", outcome.uncounted), ("skipped", outcome.skipped)):
        for title, why in those:
            console.print(f"{word}: {title}: {why}", style="red", markup=False)


def keep(outcome: Outcome, console: Console, folder: Path = FOLDER) -> Path:
    """Write all of it into a new folder; the console must have recorded what it printed."""
    now = system_clock.now()
    to = folder / now.strftime("%Y-%m-%dT%H-%M-%SZ")
    to.mkdir(parents=True, exist_ok=True)
    _write(to / "results.json", outcome, judge(outcome.runs), now.isoformat())
    drawn = picture.draw(outcome.runs, to / "picture.png")
    console.print(f"kept in {to}{'' if drawn else ', without a picture'}")
    (to / "output.txt").write_text(console.export_text(), "utf-8")
    return to


def _write(to: Path, outcome: Outcome, judged: Sequence[Judged], ended: str) -> None:
    everything = {
        "ended": ended,
        "machine": machine.description(),
        "targets": [asdict(each) for each in judged],
        **asdict(outcome),
    }
    to.write_text(json.dumps(everything, indent=1, ensure_ascii=False), "utf-8")
