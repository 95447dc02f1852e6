"""
The fuzzers, on a stack of their own: `python -m tests.fuzz [--cases 100000]`.

Ends with a table, and with exit code 1 if a promise broke or nothing was tried.
"""

import asyncio
import random
import sys
from typing import Annotated

import typer
from rich.console import Console

from tests.faults.report import Row, exit_code, show
from tests.fuzz.campaign import ENVIRONMENT, Parts
from tests.fuzz.doors import find_mint
from tests.stack import running_stack

CASES = 100_000
TOKENS = 10_000
NOISE = 5_000
SENDERS = 1_000


def main(
    cases: Annotated[int, typer.Option(help="requests from the OpenAPI documents")] = CASES,
    tokens: Annotated[int, typer.Option(help="forged and confused tokens")] = TOKENS,
    noise: Annotated[int, typer.Option(help="streams of random frames")] = NOISE,
    senders: Annotated[int, typer.Option(help="slow senders at once")] = SENDERS,
    seed: Annotated[int | None, typer.Option(help="repeat the choices of an earlier run")] = None,
) -> None:
    """Ask everything, forge everything, break every frame; 0 leaves a part out."""
    console = Console()
    seed = random.randrange(2**31) if seed is None else seed
    console.print(f"seed {seed}; starting a stack …")
    rows: list[Row] = []
    with running_stack(ENVIRONMENT) as stack:
        parts = Parts(stack, asyncio.run(find_mint(stack)), console)
        if tokens:
            rows += asyncio.run(parts.tokens(tokens, seed))
        if noise:
            rows += asyncio.run(parts.streams(noise, seed))
        if senders:
            rows += asyncio.run(parts.senders(senders))
        if cases:  # the last: it drains nodes, bans, erases and reverses
            rows += parts.documents(cases, seed)
    show(rows, console)
    sys.exit(exit_code(rows))


if __name__ == "__main__":
    typer.run(main)
