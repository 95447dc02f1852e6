"""The condition under which a run counts: what was sent, ledger and board are equal."""

import asyncio
import time
from collections.abc import Collection

from bench import cpu
from bench.contender import Contender, DoesNotCount, Sums, Target
from bench.load.posted import Posted

EMPTY = Sums(accepted=0, ledger=0, board=0)
# What is under way between the processes arrives in less; a look that comes too early is repeated.
QUIET_SECONDS = 0.3
SETTLE_SECONDS = 60.0
POLL_SECONDS = 0.1


async def settled(
    contender: Contender, target: Target, runs: Collection[Posted], *, since: Sums = EMPTY
) -> dict[str, float]:
    """
    Wait until what was sent since then, ledger and board are equal.

    The CPU-seconds of each process by then: a look at a large board costs something, and the look
    that finds all equal is not in them. Raises `DoesNotCount`.
    """
    for run in runs:
        if not run.clean:
            answers = dict(run.statuses)
            raise DoesNotCount(f"answers {answers}, {run.lost} lost, {run.unanswered} unanswered")
    accepted, points = sum(run.accepted for run in runs), sum(run.points for run in runs)
    wanted = Sums(since.accepted + accepted, since.ledger + points, since.board + points)
    deadline = time.monotonic() + SETTLE_SECONDS
    await asyncio.sleep(QUIET_SECONDS)
    while True:
        spent = cpu.by_name(target.pids)
        kept = await contender.sums(target)
        if kept in (None, wanted):
            return spent
        if time.monotonic() > deadline:
            raise DoesNotCount(f"sent {wanted}, kept {kept}")
        await asyncio.sleep(POLL_SECONDS)
