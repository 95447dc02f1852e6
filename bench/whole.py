"""
What `python -m bench all` measures, within 15 minutes, or 3.

What matters most comes first: what no longer fits into the limit is skipped, and said.
"""

from dataclasses import dataclass
from functools import partial

from bench import plan, watching
from bench.campaign import Step
from bench.workloads import increments

FEW_USERS, MANY_USERS = 1000, 1_000_000
MANY_CONNECTIONS = 512
VERY_FEW_WATCHERS = 100
BATCHES = (1, 16, 64, 128)
BATCHES_SECONDS = 2.0
BUSY_PER_SECOND = 2000.0


@dataclass(frozen=True)
class Size:
    """How much of it: `limit_seconds` holds for the whole campaign."""

    limit_seconds: float
    rounds: int
    seconds: float
    warm_seconds: float
    watchers: int
    few_watchers: int


# A little less than what is promised: what is cut short has to end, too.
FULL = Size(880, rounds=2, seconds=5.0, warm_seconds=5.0, watchers=5000, few_watchers=1000)
QUICK = Size(172, rounds=1, seconds=3.0, warm_seconds=3.0, watchers=500, few_watchers=100)


def steps(those: plan.Contenders, *, quick: bool) -> list[Step]:
    """All of them, in order."""
    size = QUICK if quick else FULL
    many, few, seconds = size.watchers, size.few_watchers, size.seconds
    ours = {name: each for name, each in those.items() if name == plan.OURS}
    writing = partial(plan.increments, those, seconds=seconds, warm_seconds=size.warm_seconds)
    first = [
        *writing(connections=increments.CONNECTIONS, rounds=size.rounds),
        *watching.deliveries(those, watchers=many, seconds=seconds),
        *watching.screen(ours if quick else those, watchers=few, seconds=seconds),
    ]
    if quick:
        return first
    return [
        *first,
        *watching.screen(ours, watchers=few, seconds=seconds, rate=BUSY_PER_SECOND),
        *watching.deliveries(ours, watchers=many, seconds=seconds, events=True),
        *watching.idle(ours, seconds=seconds),
        *watching.stuck(ours, seconds=seconds),
        *watching.storm(ours),
        *(_of_users(size) if ours else ()),
        *writing(connections=MANY_CONNECTIONS, rounds=1),
        *plan.ledger(BATCHES, seconds=BATCHES_SECONDS),
        # For the picture: the same with fewer.
        *watching.deliveries(those, watchers=few, seconds=seconds, name="deliveries-few"),
        *watching.screen(ours, watchers=VERY_FEW_WATCHERS, seconds=seconds, name="screen-few"),
    ]


def _of_users(size: Size) -> list[Step]:
    return plan.users(
        (FEW_USERS, MANY_USERS), rounds=1, seconds=size.seconds, warm_seconds=size.warm_seconds
    )
