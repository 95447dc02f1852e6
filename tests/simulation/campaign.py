"""Many worlds: on several processes, counted as they end."""

import gc
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from time import perf_counter

from rich.console import Console
from rich.table import Table

from tests.faults.report import Row
from tests.simulation.services import Build
from tests.simulation.watch import SOMETIMES
from tests.simulation.world import Life, World

SEEDS_PER_TASK = 25
# Below that, chance alone may leave a property out: the rarest is hit by one world in 200.
SEEDS_FOR_SOMETIMES = 2000
PROGRESS_SECONDS = 10.0
SHOWN_VIOLATIONS = 5


@dataclass
class Campaign:
    """What was seen over all worlds so far."""

    worlds: int = 0
    operations: int = 0
    hours: float = 0.0
    converged: list[float] = field(default_factory=list)
    hit: Counter[str] = field(default_factory=Counter)
    broken: list[Life] = field(default_factory=list)

    def add(self, life: Life) -> None:
        self.worlds += 1
        self.operations += life.operations
        self.hours += life.seconds / 3600
        self.converged.append(life.converged_seconds)
        self.hit.update(life.hit)
        if life.broken:
            self.broken.append(life)

    @property
    def never(self) -> list[str]:
        """What should have happened in some world, and did not."""
        return [what for what in SOMETIMES if not self.hit[what]]

    @property
    def row(self) -> Row:
        ordered = sorted(self.converged)
        half, last = ordered[len(ordered) // 2], ordered[-1]
        figures = (
            f"{self.operations:,} increments, {self.hours:,.0f} virtual hours, converged in"
            f" p50 {half:.1f} s, max {last:.1f} s;"
            f" {len(SOMETIMES) - len(self.never)}/{len(SOMETIMES)} sometimes-properties"
        )
        return Row("worlds simulated", self.worlds, len(self.broken), figures)

    @property
    def failed(self) -> bool:
        """A promise broke, or enough worlds have left a property out."""
        return bool(self.broken or (self.never and self.worlds >= SEEDS_FOR_SOMETIMES))


def lives(seeds: Iterable[int], *, jobs: int = 1, build: Build | None = None) -> Iterator[Life]:
    """The worlds of these seeds, one after the other, in the order of the seeds."""
    live = partial(_live, build=build or Build())
    if jobs == 1:
        yield from map(live, seeds)
        return
    # Spawned: a forked process would inherit whatever threads and loops its parent had.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(live, seeds, chunksize=SEEDS_PER_TASK)


def run(seeds: range, *, jobs: int, console: Console) -> Campaign:
    """A campaign, with its progress on the console."""
    campaign = Campaign()
    began = told = perf_counter()
    for life in lives(seeds, jobs=jobs):
        campaign.add(life)
        if life.broken and len(campaign.broken) <= SHOWN_VIOLATIONS:
            show_violation(life, console)
        now = perf_counter()
        if now - told >= PROGRESS_SECONDS:
            told = now
            rate = campaign.worlds / (now - began)
            console.print(
                f"{campaign.worlds:,} of {len(seeds):,} worlds, {rate:.1f} a second,"
                f" {len(campaign.broken)} violations"
            )
    console.print(f"{campaign.worlds / (perf_counter() - began):.1f} worlds a second, {jobs} jobs")
    return campaign


def show_violation(life: Life, console: Console) -> None:
    """What broke, how it came to that, and how to see it again."""
    for line in life.tail:
        console.print(line, style="dim", markup=False, highlight=False)
    for promise in life.broken[:SHOWN_VIOLATIONS]:
        console.print(f"seed {life.seed}: {promise}", style="red", markup=False)
    console.print(f"again: {sys.executable} -m tests.simulation --seed {life.seed} --trace")


def show_sometimes(campaign: Campaign, console: Console) -> None:
    """How many worlds hit each property."""
    table = Table(box=None, pad_edge=False)
    table.add_column("sometimes")
    table.add_column("worlds", justify="right")
    for what in SOMETIMES:
        count = campaign.hit[what]
        table.add_row(what, f"{count:,}" if count else "[red]never[/]")
    console.print(table)


def _live(seed: int, build: Build) -> Life:
    gc.disable()  # a world is garbage only as a whole
    try:
        return World(seed, build).live()
    finally:
        gc.enable()
        if seed % SEEDS_PER_TASK == 0:
            gc.collect()
