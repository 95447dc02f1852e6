"""
The bot report: recall per family, wrongly suspected people per population, and points lost.

    python -m bench.bots [--seed N …] [--people N] [--bots N]

The rules were tuned on seed 1; every other seed is news to them. On a Valkey of its own, with the
script and the rules that the service runs, in virtual time. A farm with real browsers on home
networks that plays as people do is in the table, and is not found.
"""

import argparse
import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.bots import harmless
from bench.bots.actors import Actor, actors
from bench.bots.families import FAMILIES
from bench.bots.people import PEOPLE
from bench.bots.trial import Finding, Outcome, batches, outcome, timeline, watch
from services.score.domain.bots import RULES
from services.score.store.signals import RedisSignals
from tests.embedded import valkey

# A measurement, so patient: a batch that is given up is missing in the figures.
TIMEOUT_SECONDS = 10
TRIAL_SECONDS = 600
RATE_PER_SECOND = 5
HARMLESS_INCREMENTS = 20_000

console = Console()


async def trial(redis: Redis, seed: int, *, people: int, bots: int) -> None:
    await redis.flushdb()
    groups = [actors(kind, make, count=people, seed=seed) for kind, make in PEOPLE.items()]
    families = [actors(kind, make, count=bots, seed=seed) for kind, make in FAMILIES.items()]
    everybody: list[Actor] = [actor for group in (*groups, *families) for actor in group]
    sightings = timeline(everybody)
    signals = RedisSignals(redis, RULES, rate_per_second=RATE_PER_SECOND)
    findings: dict[str, Finding] = {}
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"seed {seed}", total=len(sightings))
        for batch in batches(sightings):
            await watch(signals, batch, findings)
            progress.advance(task, len(batch))

    report(
        f"Seed {seed}: people", "wrongly reviewed", [outcome(group, findings) for group in groups]
    )
    report(f"Seed {seed}: bots", "found", [outcome(group, findings) for group in families])
    honest = {actor.name for group in groups for actor in group}
    some = [s for s in sightings if s.user_id in honest][:HARMLESS_INCREMENTS]
    await redis.flushdb()
    harm = await harmless.measure(redis, some)
    console.print(
        f"All of {harm.accounts} people put on hold by their first increment: of the {harm.sent}"
        f" points of their {len(some)} increments, [bold]{harm.lost} lost[/bold].\n"
    )


def report(title: str, count: str, outcomes: Sequence[Outcome]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("kind")
    columns = ("n", "increments", count, "%", "after h", "shadow hold", "observed")
    for column in columns:
        table.add_column(column, justify="right")
    table.add_column("rules")
    for one in outcomes:
        hours = one.hours_until_reviewed
        table.add_row(
            one.kind,
            str(one.accounts),
            str(one.increments),
            str(one.reviewed),
            f"{100 * one.reviewed / one.accounts:.1f}",
            "–" if hours is None else f"{hours:.1f}",
            str(one.would_hold),
            str(one.observed),
            ", ".join(one.rules),
        )
    reviewed, accounts = sum(o.reviewed for o in outcomes), sum(o.accounts for o in outcomes)
    table.add_section()
    share = f"{100 * reviewed / accounts:.2f}"
    table.add_row("all", str(accounts), "", str(reviewed), share, "", "", "", style="bold")
    console.print(table)


async def run(url: str, seeds: Sequence[int], *, people: int, bots: int) -> None:
    redis = Redis.from_url(url, socket_timeout=TIMEOUT_SECONDS)
    try:
        for seed in seeds:
            async with asyncio.timeout(TRIAL_SECONDS):
                await trial(redis, seed, people=people, bots=bots)
    finally:
        await redis.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, nargs="+", default=[2])
    parser.add_argument("--people", type=int, default=50, help="accounts of each population")
    parser.add_argument("--bots", type=int, default=30, help="accounts of each family")
    arguments = parser.parse_args()
    with valkey() as url:
        asyncio.run(run(url, arguments.seed, people=arguments.people, bots=arguments.bots))


if __name__ == "__main__":
    main()
