"""
The long run: `python -m tests.model --sequences 20000 --real 300`.

Ends with how often each step was taken and each situation met; exit code 1 if a promise broke, or
if there is something that the run has never met.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from libs.devstack import provision
from tests import servers
from tests.faults.report import Row, exit_code, show
from tests.model.broken import BROKEN
from tests.model.campaign import STEPS_PER_SEQUENCE, Run, catch, prove
from tests.model.memory import MemoryStage
from tests.model.real import RealStage
from tests.model.sightings import Sightings

DATABASE = "live_scoreboard_model"


def main(
    sequences: Annotated[int, typer.Option(help="on ledger and board in memory")] = 20_000,
    real: Annotated[int, typer.Option(help="on PostgreSQL and Valkey")] = 0,
    broken: Annotated[bool, typer.Option(help="without the product's guards, in turn")] = False,
    steps: Annotated[int, typer.Option(help="the most in one sequence")] = STEPS_PER_SEQUENCE,
    seed: Annotated[int, typer.Option(help="other sequences")] = 1,
) -> None:
    console = Console()
    proofs = []
    if sequences:
        run = Run("in memory", sequences, steps, seed)
        proofs.append(prove(run, MemoryStage(), console))
    if real:
        with _servers() as stage:
            run = Run("on PostgreSQL and Valkey", real, steps, seed)
            proofs.append(prove(run, stage, console))
    for row, sightings in proofs:
        _tell(row, sightings, console)
    rows = [row for row, _ in proofs]
    if broken:
        rows.append(catch(BROKEN, console))
    show(rows, console)
    met_all = all(not sightings.never for _, sightings in proofs)
    raise typer.Exit(exit_code(rows) or int(not met_all))


@contextmanager
def _servers() -> Iterator[RealStage]:
    with (
        servers.find("TEST_DATABASE_URL", "postgres") as postgres,
        servers.find("TEST_REDIS_URL", "valkey") as valkey,
    ):
        url = servers.run(provision.create_database(postgres, DATABASE))
        servers.run(provision.migrate(url, {provision.SCORE: servers.PASSWORD}))
        yield RealStage(url, valkey)


def _tell(row: Row, sightings: Sightings, console: Console) -> None:
    console.print(f"\n{row.what}:")
    for seen in (sightings.steps, sightings.situations):
        for name, times in seen.most_common():
            console.print(f"{times:>12,}  {name.replace('_', ' ')}", highlight=False)
    for name in sightings.never:
        console.print(f"[red]never: {name}[/]")


if __name__ == "__main__":
    typer.run(main)
