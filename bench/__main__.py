"""
python -m bench increments | deliveries

The product beside two ports of it, on the same servers. Contenders take turns (A B C, C B A), each
time with processes of their own; those are on one core, and the generator is on the other.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench import deliveries as reads
from bench import machine, writes
from bench.contender import Contender
from bench.floor import fanout
from bench.ports.ours import Ours
from bench.ports.port import COMPETENT, NAIVE

CONTENDERS: dict[str, Contender] = {each.name: each for each in (NAIVE, COMPETENT, Ours())}
FRAME_BYTES = 800
FLOOR_ROUNDS = 100

commands = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
console = Console()

Rounds = Annotated[int, typer.Option(min=1, max=10, help="Of A B C and C B A in turn.")]
Seconds = Annotated[float, typer.Option(min=1, max=60, help="Of each measurement.")]
Only = Annotated[list[str], typer.Option(help="These contenders; repeat.")]
Json = Annotated[Path | None, typer.Option("--json", help="All figures, as a file.")]


@commands.command()
def increments(
    rounds: Rounds = 2,
    seconds: Seconds = 8.0,
    only: Only = list(CONTENDERS),  # noqa: B006
    to: Json = None,
) -> None:
    """What an accepted increment costs, and how long it takes at half of the capacity."""
    sync = machine.sync_microseconds()
    console.print(f"8 kB are on disk in {sync:.0f} µs; cores {machine.cores()}")
    runs = []
    for name in turns(only, rounds):
        run = asyncio.run(writes.measure(CONTENDERS[name], seconds=seconds))
        runs.append(run)
        console.print(f"{name}: {run}")
    table = Table(title="An increment, all processes on one core", title_justify="left")
    for column in ("", "per CPU-second", "a second", "p50 ms", "p99 ms"):
        table.add_column(column, justify="right" if column else "left")
    for name in only:
        mine = [run for run in runs if run.contender == name]
        table.add_row(
            name,
            f"{median(run.per_cpu_second for run in mine):,.0f}",
            f"{median(run.per_second for run in mine):,.0f}",
            *(f"{median(run.half.latencies.percentile(p) for run in mine):.1f}" for p in (50, 99)),
        )
    console.print(table)
    keep(to, [run.figures() for run in runs])


@commands.command()
def deliveries(
    watchers: Annotated[int, typer.Option(min=1, max=19_900)] = 5000,
    events: Annotated[bool, typer.Option(help="Server-Sent Events, not WebSockets.")] = False,
    rounds: Rounds = 1,
    seconds: Seconds = 8.0,
    only: Only = list(CONTENDERS),  # noqa: B006
    to: Json = None,
) -> None:
    """What a frame on a screen costs notification, and the C program that only sends."""
    runs = []
    for name in turns(only, rounds):
        run = asyncio.run(
            reads.measure(CONTENDERS[name], watchers=watchers, seconds=seconds, events=events)
        )
        runs.append(run)
        console.print(f"{name}: {run}")
    try:
        _, theirs = machine.split(machine.cores())
        floor = fanout.microseconds_per_send(
            watchers, frame_bytes=FRAME_BYTES, rounds=FLOOR_ROUNDS, on=theirs
        )
        console.print(f"floor, in C: {floor:.2f} µs a send, {1e6 / floor:,.0f} per CPU-second")
    except fanout.NoCompiler as error:
        console.print(f"no floor: {error}")
    keep(to, [asdict(run) for run in runs])


def turns(names: Sequence[str], rounds: int) -> list[str]:
    """A B C, C B A, and so on."""
    return [name for n in range(rounds) for name in (names if n % 2 == 0 else names[::-1])]


def keep(to: Path | None, figures: list[dict[str, Any]]) -> None:
    if to is not None:
        to.write_text(json.dumps(figures, indent=1), "utf-8")


if __name__ == "__main__":
    commands()
