"""
Three times as many increments as the stack can take.

What it accepts must not collapse, its wait must stay bounded, and what it refuses it must refuse
at once, with a time to come back. Where there are two processors the stack has one for itself, so
that the load does not take what it asks for.
"""

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from tests.faults import vitals
from tests.faults.openloop import Flow, OpenLoop
from tests.faults.report import Row
from tests.faults.vitals import MEGABYTE, Vitals
from tests.oracle.client import tokens
from tests.oracle.trial import Places, trial
from tests.stack import UNLIMITED, RunningStack, running_stack

ABOUT = "arrivals at three times the capacity: what is accepted, refused, lost, and remembered"
COUNT = 40
"""Seconds of overload."""

TIMES = 3
KEPT = 0.7
"""Of the capacity, the least that must still be accepted."""
WAIT_SECONDS = 3.0
"""In which 99 % of the accepted must have their answer: the gateway's own deadline."""
GROWTH_BYTES = 256 * MEGABYTE
"""By which no process may grow."""
RECOVERY_SECONDS = 30.0

USERS, SCREENS = 100, 3
CONNECTIONS = 1000
"""Kept open, as an edge does; new ones would wait in the kernel until uvicorn accepts them."""
CLOSED_CONNECTIONS = 200
WARM_UP_SECONDS, CAPACITY_SECONDS, CALM_SECONDS, OPEN_SECONDS = 5, 10, 5, 5
CALM = 0.3
"""Of the capacity: the load before, and that by which the recovery is judged."""
NORMAL = 3.0
"""Times the calm p99: what counts as normal again."""
VERDICT_PATIENCE_SECONDS = 120
DESCRIPTORS = 20_000


async def run(count: int, console: Console) -> list[Row]:
    with _own_processor() as share, running_stack(UNLIMITED) as stack:
        share()
        places = Places.of(stack)
        users = [f"crowd-{number:03}" for number in range(USERS)]
        passes = await tokens(places.auth, places.operator_secret, users)
        async with trial(places, users=1, screens=SCREENS, count=0) as work:
            load = OpenLoop(places.gateway, passes, work.history)
            async with load.connected(CONNECTIONS):
                await load.saturate(CLOSED_CONNECTIONS, WARM_UP_SECONDS)
                top = await load.saturate(CLOSED_CONNECTIONS, CAPACITY_SECONDS)
                capacity = top.accepted_per_second
                console.print(f"capacity {capacity:,.0f}/s, p99 {top.wait(0.99):.2f} s")
                calm = await load.arrive(CALM * capacity, CALM_SECONDS)
                before = vitals.of_stack(stack)
                await load.saturate(CONNECTIONS, OPEN_SECONDS)
                flow, most = await _weighed(stack, load, TIMES * capacity, count)
                console.print(f"under {TIMES} times as much: {dict(flow.answers)}")
                recovered = await _recovered(load, CALM * capacity, NORMAL * calm.wait(0.99))
                unknown = await load.resolve()
            after = vitals.of_stack(stack)
            verdict = await work.verdict(patience_seconds=VERDICT_PATIENCE_SECONDS)
            console.print(str(verdict), *verdict.violations[:5])
    share_kept = flow.accepted_per_second / capacity
    grew = {name: most[name] - before[name].memory_bytes for name in before}
    replaced = [name for name in before if before[name].pid != after[name].pid]
    return [
        Row(
            f"increments accepted under {TIMES} x capacity",
            flow.answers["200"],
            len(verdict.violations),
            f"{capacity:,.0f}/s without; then {flow.accepted_per_second:,.0f}/s ({share_kept:.0%}),"
            f" wait p50 {flow.wait(0.5):.2f} s, p99 {flow.wait(0.99):.2f} s; normal again after "
            f"{recovered:.1f} s; {unknown} of unknown outcome, resolved by their keys",
        ),
        Row("goodput and wait kept", 1, int(share_kept < KEPT or flow.wait(0.99) > WAIT_SECONDS)),
        Row("normal again after it", 1, int(recovered > RECOVERY_SECONDS)),
        Row(
            "refused with Retry-After and a problem",
            flow.answers["503"],
            flow.malformed,
            f"{flow.unsent:,} more found none of the {CONNECTIONS:,} connections free",
        ),
        Row(
            "processes that lived on and did not swell",
            len(before),
            len(replaced) + sum(size > GROWTH_BYTES for size in grew.values()),
            _table(before, most, after),
        ),
    ]


async def _weighed(
    stack: RunningStack, load: OpenLoop, per_second: float, seconds: float
) -> tuple[Flow, dict[str, int]]:
    """The flow, and the most memory that each process had meanwhile."""
    pids = vitals.pids(stack)
    most = dict.fromkeys(pids, 0)
    flowing = asyncio.ensure_future(load.arrive(per_second, seconds))
    while not flowing.done():
        for name, pid in pids.items():
            most[name] = max(most[name], vitals.read(pid).memory_bytes)
        await asyncio.wait({flowing}, timeout=1)
    return await flowing, most


async def _recovered(load: OpenLoop, per_second: float, normal: float) -> float:
    """Seconds until a second's increments wait no longer than before; more than may be if never."""
    clock = asyncio.get_running_loop().time
    started = clock()
    while (waited := clock() - started) <= RECOVERY_SECONDS:
        if (await load.arrive(per_second, 1)).wait(0.99) <= normal:
            return waited
    return waited


def _table(before: dict[str, Vitals], most: dict[str, int], after: dict[str, Vitals]) -> str:
    sizes = (
        f"{name} {old.megabytes:.0f}-{most[name] / MEGABYTE:.0f}-{after[name].megabytes:.0f}"
        for name, old in before.items()
    )
    return f"MB before-most-after: {', '.join(sizes)}"


@contextmanager
def _own_processor() -> Iterator["_Share"]:
    """What is started now has a processor for itself, once we have `share`d."""
    ours = os.sched_getaffinity(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard))
    if len(ours) > 1:
        os.sched_setaffinity(0, {min(ours)})
    try:
        yield _Share(ours - {min(ours)} or ours)
    finally:
        os.sched_setaffinity(0, ours)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class _Share:
    """Leaves the others' processor to them."""

    def __init__(self, rest: set[int]) -> None:
        self._rest = rest

    def __call__(self) -> None:
        os.sched_setaffinity(0, self._rest)
