"""Playing sequences, and what is to be said of them."""

import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count

import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from rich.console import Console

from tests.faults.report import Row
from tests.model.broken import Breakage
from tests.model.machine import ScoreboardMachine
from tests.model.memory import MemoryStage
from tests.model.sightings import Sightings
from tests.model.stage import Stage
from tests.model.steps import STEPS

STEPS_PER_SEQUENCE = 50
# Hypothesis remembers all sequences of a round, to play no one twice: it gets slower with them.
SEQUENCES_PER_ROUND = 500
ROUNDS_TO_CATCH = 10


@dataclass(frozen=True)
class Run:
    """So many sequences of at most so many steps; the same ones for the same seed."""

    what: str
    sequences: int
    steps: int = STEPS_PER_SEQUENCE
    seed: int = 1
    shrinks: bool = True  # looks for the fewest steps that break a promise


def play(run: Run, stage: Stage) -> Sightings:
    """Play it in one round. Raises what broke, with the fewest steps that lead there."""
    sightings = Sightings(STEPS)
    with stage, quiet_logs():
        _play_round(stage, sightings, run)
    return sightings


def prove(run: Run, stage: Stage, console: Console) -> tuple[Row, Sightings]:
    """Play it round by round, up to the first violation, which is printed."""
    sightings = Sightings(STEPS)
    violations = 0
    with stage, quiet_logs():
        for number in count(run.seed):
            part = min(run.sequences - sightings.sequences, SEQUENCES_PER_ROUND)
            if part <= 0:
                break
            try:
                _play_round(stage, sightings, replace(run, sequences=part, seed=number))
            except Exception:  # noqa: BLE001 - whatever it is, the steps before it broke a promise
                console.print(traceback.format_exc(), markup=False, highlight=False)
                violations = 1
                break
            console.print(f"{run.what}: {sightings.sequences:,} of {run.sequences:,} sequences")
    steps = sum(sightings.steps.values())
    return Row(f"model, {run.what}", sightings.sequences, violations, f"{steps:,} steps"), sightings


def _play_round(stage: Stage, sightings: Sightings, run: Run) -> None:
    def machine() -> ScoreboardMachine:
        return ScoreboardMachine(stage, sightings)

    run_state_machine_as_test(
        seed(run.seed)(machine),  # type: ignore[arg-type]
        settings=settings(
            max_examples=run.sequences,
            stateful_step_count=run.steps,
            phases=(Phase.generate, *((Phase.shrink,) if run.shrinks else ())),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            database=None,
            deadline=None,
        ),
    )


def catch(breakages: Sequence[Breakage], console: Console) -> Row:
    """Play with a guard missing, each in turn: every one must be noticed."""
    missed = 0
    for breakage in breakages:
        started = time.monotonic()
        found = "NOT CAUGHT"
        for number in range(1, ROUNDS_TO_CATCH + 1):
            run = Run(breakage.__name__, SEQUENCES_PER_ROUND, seed=number, shrinks=False)
            try:
                with breakage():
                    play(run, MemoryStage())
            except Exception as error:  # noqa: BLE001 - whatever it is, it was noticed
                found = f"caught by {type(error).__name__}"
                break
        missed += found == "NOT CAUGHT"
        seconds = time.monotonic() - started
        console.print(
            f"{breakage.__name__.replace('_', ' ')}: {found}, {seconds:.1f} s", highlight=False
        )
    caught = f"caught {len(breakages) - missed}/{len(breakages)}"
    return Row("broken builds, by the model", len(breakages), missed, caught)


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Without the product's log lines: each of these faults has one."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(wrapper_class=before)
