"""
The proof, campaign by campaign: `python -m tests.faults all`, or one of them by its name.

Ends with a table, and with exit code 1 if a promise broke or nothing was tried.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable
from dataclasses import asdict
from importlib import import_module
from inspect import isawaitable
from pathlib import Path
from typing import Annotated, Protocol, cast

import typer
from rich.console import Console
from rich.markup import escape

from tests.faults.report import Row, exit_code, show

ALL = "all"
FILE_COLUMNS = 160

CAMPAIGNS = {
    "simulation": "tests.faults.simulation",
    "broken-builds": "tests.faults.broken_builds",
    "model": "tests.faults.model",
    "fuzz": "tests.faults.fuzz",
    "kills": "tests.faults.kills",
    "kills-kafka": "tests.faults.kills_kafka",
    "network": "tests.faults.network",
    "loss": "tests.faults.loss",
    "rebuild": "tests.faults.rebuild",
    "overload": "tests.faults.overload",
    "readers": "tests.faults.readers",
    "soak": "tests.faults.soak",
}
"""Where each campaign is, in the order of `all`."""


class Campaign(Protocol):
    """What a campaign's module has."""

    ABOUT: str
    """What it does, in one line."""
    COUNT: int
    """How often it does so, unless told otherwise."""

    def run(self, count: int, console: Console) -> list[Row] | Awaitable[list[Row]]:
        """Tell the console how it goes; no rows if it cannot be run here, after saying why."""
        ...


def campaign(name: str) -> Campaign:
    """The module of that name."""
    return cast(Campaign, import_module(CAMPAIGNS[name]))


def main(
    name: Annotated[str, typer.Argument(help=f"a campaign, or `{ALL}`; lists them if none")] = "",
    count: Annotated[int | None, typer.Option(min=1, help="how often; each has its own")] = None,
    seed: Annotated[int | None, typer.Option(help="repeat the choices of an earlier run")] = None,
    to: Annotated[Path | None, typer.Option("--json", help="write the rows there, too")] = None,
) -> None:
    """Break things, and look whether the three promises hold."""
    console = Console(width=None if sys.stdout.isatty() else FILE_COLUMNS)
    if not name:
        for known in CAMPAIGNS:
            console.print(f"[bold]{known:14}[/] {campaign(known).ABOUT}", soft_wrap=True)
        return
    if name not in (ALL, *CAMPAIGNS):
        raise typer.BadParameter(f"{name} is none of {', '.join((ALL, *CAMPAIGNS))}")
    seed = random.randrange(2**32) if seed is None else seed
    console.print(f"seed {seed}")
    rows: list[Row] = []
    for chosen in CAMPAIGNS if name == ALL else [name]:
        random.seed(seed)
        rows += _run(chosen, count, console)
    show(rows, console)
    if to is not None:
        to.write_text(json.dumps([asdict(row) | {"bound": row.bound} for row in rows], indent=1))
    sys.exit(exit_code(rows))


def _run(name: str, count: int | None, console: Console) -> list[Row]:
    """One campaign; if it breaks off, that is a violation, and the others are run all the same."""
    started = time.monotonic()
    try:
        module = campaign(name)
        console.rule(f"{name}: {module.ABOUT}")
        rows = asyncio.run(_finished(module.run(count or module.COUNT, console)))
    except Exception as error:  # noqa: BLE001 - what the other campaigns find must not be lost
        console.print_exception(extra_lines=0)
        rows = [Row(name, 1, 1, escape(f"broke off: {type(error).__name__}"))]
    console.print(f"{name}: {time.monotonic() - started:.0f} s")
    return rows


async def _finished(outcome: list[Row] | Awaitable[list[Row]]) -> list[Row]:
    return await outcome if isawaitable(outcome) else outcome


if __name__ == "__main__":
    typer.run(main)
