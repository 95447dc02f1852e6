"""
Every way between two parts broken in every manner for some seconds, under load, then healed.

What the oracle asks comes by ways that are whole by then. Beside the promises it is a violation if
a request never gets a verdict, or if a door answers anything but what it should or 503, with
`Retry-After`, as a problem; on the clients' own ways they see what a broken way shows.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median

from rich.console import Console

from tests.faults import stage
from tests.faults.answers import improper, undecided
from tests.faults.links import LINKS, OUTSIDE, Link, Wired, wired
from tests.faults.report import Row
from tests.faults.visitor import visiting
from tests.oracle.checks import Violation
from tests.oracle.trial import trial
from tests.proxy import FROZEN, HARMLESS, LOST, Proxy, Toxic

ABOUT = "every way between two parts slow, frozen, torn, half-open or closed"

USERS, SCREENS, CONNECTIONS, POSTS_PER_SECOND = 60, 2, 16, 60
LIMITS = {"AUDIT_SECONDS": "2"}
WARM_UP_SECONDS = 0.5
FAULT_SECONDS = 3.0
START_SECONDS = 15.0
PATIENCE_SECONDS = 90


def _on(requests: Toxic = HARMLESS, answers: Toxic = HARMLESS) -> Callable[[Proxy], None]:
    def poison(proxy: Proxy) -> None:
        proxy.requests, proxy.answers = requests, answers

    return poison


SLOW = Toxic(delay_seconds=0.2, jitter_seconds=0.2)
NARROW = Toxic(bytes_per_second=20_000)
SLICED = Toxic(slice_bytes=16)
FAULTS: Mapping[str, Callable[[Proxy], None]] = {
    "latency 200-400 ms": _on(SLOW, SLOW),
    "20 kB/s": _on(NARROW, NARROW),
    "slices of 16 bytes": _on(SLICED, SLICED),
    "frozen": _on(FROZEN, FROZEN),
    "half-open": Proxy.forget,
    "reset": _on(requests=LOST),
    "answer lost": _on(answers=LOST),
    "cut in a message": _on(answers=Toxic(passes=0.5)),
    "refused": Proxy.refuse,
}
COUNT = len(FAULTS) * len(LINKS)

# Used at start and every few minutes only: whoever calls there is killed, and starts over it.
AT_START = {Link("score", "auth"), Link("scoreboard", "auth")}


@dataclass(frozen=True)
class Outcome:
    """What came of one fault; `seconds` from healing until all had converged."""

    fault: str
    met: bool
    seconds: float
    violations: Sequence[Violation]
    answers: Counter[str]


async def run(count: int, console: Console) -> list[Row]:
    # By fault, not by link: who is killed has long recovered when it is killed again.
    grid = [(fault, link) for fault in FAULTS for link in LINKS]
    chosen = random.sample(grid, count) if count < len(grid) else islice(cycle(grid), count)
    found: dict[Link, list[Outcome]] = defaultdict(list)
    async with wired(LIMITS) as product:
        for number, (fault, link) in enumerate(chosen, start=1):
            outcome = await suffer(product, link, fault)
            found[link].append(outcome)
            console.print(
                f"{number}/{count} {link}, {fault}{'' if outcome.met else ' (met nothing)'}: "
                f"converged {outcome.seconds:.1f} s after healing, {dict(outcome.answers)}",
                *outcome.violations[:5],
                soft_wrap=True,
            )
    return [_row(link, found[link]) for link in LINKS if link in found]


async def suffer(
    product: Wired, link: Link, fault: str, *, seconds: float = FAULT_SECONDS
) -> Outcome:
    """One fault on one way, for so many seconds."""
    clock = asyncio.get_running_loop().time
    proxy, places = product.proxies[link], product.places
    await stage.clear(places)
    async with (
        trial(
            places,
            users=USERS,
            screens=SCREENS,
            connections=CONNECTIONS,
            rate=POSTS_PER_SECOND,
        ) as work,
        visiting(places) as visitor,
    ):
        await asyncio.sleep(WARM_UP_SECONDS)
        proxy.hits = 0
        FAULTS[fault](proxy)
        if link.callee == "auth":
            await stage.revoke(places)
        killed = 0
        if link in AT_START:
            killed = await asyncio.to_thread(product.stack.kill, link.caller)
            with suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    await proxy.hit()
        await asyncio.sleep(seconds)
        await proxy.heal()
        healed = clock()
        if killed:
            await asyncio.to_thread(product.stack.wait_until_replaced, link.caller, killed)
        await work.stop_sending()
        answered = clock() - healed
        verdict = await work.verdict(patience_seconds=PATIENCE_SECONDS)
    answers = work.history.answers + visitor.answers
    violations = [*verdict.violations, *undecided(work.history)]
    if link.caller not in OUTSIDE:
        violations += improper(answers)
    return Outcome(fault, proxy.hits > 0, answered + verdict.seconds, violations, answers)


def _row(link: Link, outcomes: Sequence[Outcome]) -> Row:
    met = [outcome for outcome in outcomes if outcome.met]
    answers: Counter[str] = sum((outcome.answers for outcome in met), Counter())
    said = ", ".join(f"{count:,} × {answer}" for answer, count in sorted(answers.items()))
    figures = "met no traffic"
    if met:
        slowest = max(met, key=lambda outcome: outcome.seconds)
        typical = median(outcome.seconds for outcome in met)
        figures = (
            f"converged after p50 {typical:.1f} s, max {slowest.seconds:.1f} s"
            f" ({slowest.fault}); {said}"
        )
    return Row(str(link), len(met), sum(len(o.violations) for o in outcomes), figures)
