"""
The rebalance storm.

    python -m bench.storm --seconds 180 --rate 1000

Every 3 s a replica of region `east` is started, ended (SIGTERM), killed (SIGKILL) or held still
(SIGSTOP, and SIGCONT 2 to 20 s later), while increments come at a steady rate. Region `far` is cut
off from the broker for a minute meanwhile, and has no audits: what it missed must come by the log.
In the end both boards must be the ledger.

Increments go through score's lanes and relay in this process: without HTTP and its checks, the
machine is the storm's. With `--without-audit` region `east`, too, has nothing but the log.
`--kafka` takes a broker whose topics are made; without it there is the development broker.
"""

import argparse
import asyncio
import random
import sys
import time
from contextlib import AsyncExitStack

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.storm import states
from bench.storm.acts import Acts
from bench.storm.source import Source, source
from libs.devstack.ports import HOST
from tests import replicas
from tests.proxy import broker_proxy
from tests.stack import RunningStack, running_stack

ACT_SECONDS = 3.0
CUT_OFF_SECONDS = 60.0

console = Console()


async def run(stack: RunningStack, arguments: argparse.Namespace) -> bool:
    """Print the figures; whether all is as it must be."""
    database, kafka, seconds = stack.urls["postgres"], stack.urls["kafka"], arguments.seconds
    cut = min(CUT_OFF_SECONDS, seconds / 3)
    async with AsyncExitStack() as opened:
        way = await opened.enter_async_context(broker_proxy(kafka))
        east = opened.enter_context(replicas.region(stack, "east"))
        far = opened.enter_context(replicas.region(stack, "far", kafka=f"{HOST}:{way.port}"))
        far.audited, east.audited = False, not arguments.without_audit
        lonely = far.start("one")
        acts = Acts(east, arguments.seed)
        acts.join()
        acts.join()
        for replica in (lonely, *acts.running.values()):
            await replica.ready()
        heard = await opened.enter_async_context(replicas.listening(kafka, east.name))
        increments = await opened.enter_async_context(source(stack))
        sending = asyncio.ensure_future(increments.run(rate=arguments.rate, seconds=seconds))
        cutting = asyncio.ensure_future(
            states.cut_off(way, far, database, after=seconds / 4, seconds=cut)
        )
        await rage(acts, increments, seconds)
        await sending
        missed, made_up = await cutting
        ended = time.monotonic()
        await acts.settle()
        ready = time.monotonic() - ended
        equal = await states.seconds_until_equal([east, far], database)
        audits = await states.audited(acts.running.values())
        acts.count_exits()
        truth = await states.ledger(database)
        boards = {region.name: await states.board(region) == truth for region in (east, far)}
        kept = sum(key.endswith(":meta") for key in await east.keys())
        rebuilds = states.rebuilds(east)
        restarts = sum(process["restarts"] for process in stack.status()["processes"])
        exits = len(acts.foreign_exits) + restarts + (lonely.exit_code is not None)

    drift = audits.pop("drift")
    twice = sum(len(tops) > 1 for tops in heard.values())
    for text in acts.foreign_exits:
        console.print(text, markup=False, style="red")
    console.print(
        table(
            {
                "broker, audits": f"{arguments.kafka or 'noida-db'}, {east.audited}",
                "acts": ", ".join(f"{n} {act}" for act, n in sorted(acts.counted.items())),
                "exits other than ours": exits,
                "updates": f"{increments.sent}, {increments.sent / seconds:.0f} per second",
                "points sent, in the ledger": f"{increments.points}, {truth.points}",
                "board = ledger (top 100, users, points, versions)": boards,
                "until all replicas ran, until equal": f"{ready:.1f} s, {equal:.1f} s more",
                "drift at the audits after": drift,
                "audits of those who run": dict(audits),
                "snapshots, (epoch, rev) with two contents": f"{len(heard)}, {twice}",
                "boards built, left": f"{dict(rebuilds)}, {kept}",
                "far: cut off, missed, made up in": f"{cut:.0f} s, {missed}, {made_up:.1f} s",
            }
        )
    )
    return (
        all(boards.values())
        and truth.points == increments.points
        and (exits, twice, kept) == (0, 0, 1)
        and not drift
    )


async def rage(acts: Acts, increments: Source, seconds: float) -> None:
    """One act every 3 s, shown as it happens."""
    started = time.monotonic()
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=seconds)
        while (passed := time.monotonic() - started) < seconds:
            text = f"{increments.sent} updates, {len(acts.running)} replicas: {acts.act()}"
            progress.update(task, completed=passed, description=text)
            await asyncio.sleep(ACT_SECONDS)
        progress.update(task, completed=seconds)


def table(figures: dict[str, object]) -> Table:
    rows = Table("what", "figure", title="Rebalance storm", title_justify="left")
    for what, figure in figures.items():
        rows.add_row(what, str(figure))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        "bench.storm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--rate", type=int, default=1000, help="updates per second")
    parser.add_argument("--without-audit", action="store_true")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--kafka", default="", help="bootstrap address of a broker")
    arguments = parser.parse_args()
    console.print(f"Starting a stack of its own … (--seed {arguments.seed})")
    env = {"KAFKA_BOOTSTRAP_SERVERS": arguments.kafka} if arguments.kafka else {}
    with running_stack(env) as stack:
        good = asyncio.run(run(stack, arguments))
    console.print("It holds." if good else "It does not hold.", style="green" if good else "red")
    sys.exit(not good)


if __name__ == "__main__":
    main()
