"""
The first figures: accepted updates per second, and deliveries per second, with what they cost.

    make bench

Starts a stack of its own on free ports, loads it from this process, and prints a table. Nothing is
pinned; client, servers and services share the machine, so the CPU-seconds are the figure to keep.
The sums of what was sent, ledger and board must be equal, or the run does not count.
"""

import argparse
import asyncio
import time
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from bench import cpu
from tests.oracle.trial import Places, Trial, trial
from tests.stack import UNLIMITED, RunningStack, running_stack

USERS = 1000
LIMITS = UNLIMITED | {"MAX_CONNECTIONS_PER_ADDRESS": "10000"}
WARM_UP_UPDATES = 2000
PATIENCE_SECONDS = 30

console = Console()


async def measure(stack: RunningStack, *, updates: int, watchers: int) -> None:
    pids = {p["name"]: p["pid"] for p in stack.status()["processes"] if p["pid"]}
    places = Places.of(stack)
    async with trial(places, users=USERS, screens=0, connections=64, count=0) as work:
        await work.client.run(WARM_UP_UPDATES)
        before = cpu.by_name(pids)
        started = time.perf_counter()
        await work.client.run(updates)
        seconds = time.perf_counter() - started
        report("Accepted updates, 64 connections, nobody watches", updates, seconds, before, pids)
        await equal(work)

    async with trial(places, users=USERS, screens=watchers, connections=4, count=0) as work:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(screen.positions for screen in work.screens):
                await asyncio.sleep(0.1)
        seen = sum(len(screen.positions) for screen in work.screens)
        before = cpu.by_name(pids)
        started = time.perf_counter()
        await work.client.run(updates // 10)
        seconds = time.perf_counter() - started
        delivered = sum(len(screen.positions) for screen in work.screens) - seen
        title = f"Deliveries to {watchers} WebSockets, at most one frame in 50 ms"
        report(title, delivered, seconds, before, {"notification": pids["notification"]})
        await equal(work)


async def equal(work: Trial) -> None:
    """What was sent, the ledger, the totals, the board and every screen: all the same."""
    verdict = await work.verdict(patience_seconds=PATIENCE_SECONDS)
    assert not verdict.violations, verdict.violations
    console.print(f"{verdict}\n", style="green")


def report(
    title: str, count: int, seconds: float, before: Mapping[str, float], pids: Mapping[str, int]
) -> None:
    after = cpu.by_name(pids)
    used = {name: after[name] - before[name] for name in pids}
    total = sum(used.values())
    table = Table(title=title, title_justify="left")
    for column in ("process", "CPU-seconds", "µs each"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for name, spent in sorted(used.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{spent:.2f}", f"{spent / max(count, 1) * 1e6:.0f}")
    if len(pids) > 1:
        table.add_row("all", f"{total:.2f}", f"{total / max(count, 1) * 1e6:.0f}", style="bold")
    console.print(table)
    console.print(
        f"{count} in {seconds:.1f} s: {count / seconds:.0f}/s, "
        f"{count / max(total, 0.01):.0f} per CPU-second of these processes\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=20_000)
    parser.add_argument("--watchers", type=int, default=500)
    arguments = parser.parse_args()
    console.print("Starting a stack of its own …")
    with running_stack(LIMITS) as stack:
        asyncio.run(measure(stack, updates=arguments.updates, watchers=arguments.watchers))


if __name__ == "__main__":
    main()
