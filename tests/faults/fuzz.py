"""`tests.fuzz` as a campaign: whatever may come in at a door."""

import asyncio
from random import getrandbits

from rich.console import Console

from tests.faults.report import Row
from tests.fuzz.__main__ import NOISE, SENDERS, TOKENS
from tests.fuzz.campaign import ENVIRONMENT, Parts
from tests.fuzz.doors import find_mint
from tests.stack import running_stack

ABOUT = "requests, tokens, frames and senders that no client of ours would be"
COUNT = 100_000


def run(count: int, console: Console) -> list[Row]:
    """So many requests from the documents, and the usual number of everything else."""
    seed = getrandbits(31)
    with running_stack(ENVIRONMENT) as stack:
        parts = Parts(stack, asyncio.run(find_mint(stack)), console)
        return [
            *asyncio.run(parts.tokens(TOKENS, seed)),
            *asyncio.run(parts.streams(NOISE, seed)),
            *asyncio.run(parts.senders(SENDERS)),
            # The last: it drains nodes, bans, erases and reverses.
            *parts.documents(count, seed),
        ]
