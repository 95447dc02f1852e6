"""Which measurements a campaign has, and about how long each takes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from bench.campaign import Measured, Step, turns
from bench.contender import Contender
from bench.floor import batches
from bench.workloads import increments as writes
from bench.workloads import users as crowds

OURS = "ours"
MILLION = 1_000_000

# Beyond the time that is measured: to start, sign tokens and stop; with a million users to fill.
START_SECONDS = 12.0
POSTGRES_SECONDS = 6.0
FILL_SECONDS_PER_MILLION = 70.0
CONNECT_SECONDS = 0.001

Contenders = Mapping[str, Contender]


def increments(
    those: Contenders,
    *,
    connections: int,
    rounds: int,
    seconds: float,
    warm_seconds: float,
) -> list[Step]:
    """What an update costs, in turns."""
    name = "increments" if connections == writes.CONNECTIONS else f"increments-{connections}"
    measure = partial(
        writes.measure, connections=connections, seconds=seconds, warm_seconds=warm_seconds
    )
    return _in_turn(name, those, measure, rounds, START_SECONDS + warm_seconds + 2 * seconds)


def users(counts: Sequence[int], *, rounds: int, seconds: float, warm_seconds: float) -> list[Step]:
    """What an update costs the product among so many users, in turns."""
    lasts = START_SECONDS + warm_seconds + 2 * seconds
    each = {
        count: Step(
            f"users-{count}",
            OURS,
            partial(crowds.measure, users=count, seconds=seconds, warm_seconds=warm_seconds),
            lasts + FILL_SECONDS_PER_MILLION * count / MILLION,
        )
        for count in counts
    }
    return [each[count] for count in turns(counts, rounds)]


def watched(
    workload: str,
    those: Contenders,
    measure: Callable[..., Awaitable[Measured]],
    *,
    watchers: int,
    seconds: float,
    rounds: int,
) -> list[Step]:
    """A workload with watchers, in turns; beside connecting them it takes `seconds`."""
    lasts = START_SECONDS + CONNECT_SECONDS * watchers + seconds
    return _in_turn(workload, those, partial(measure, watchers=watchers), rounds, lasts)


def ledger(rows: Sequence[int], *, seconds: float, users: int = batches.USERS) -> list[Step]:
    """The floor of the group commit, by rows of a batch."""
    lasts = POSTGRES_SECONDS + seconds + FILL_SECONDS_PER_MILLION * users / MILLION
    return [
        Step(
            "ledger",
            f"{count} a batch",
            partial(batches.measure, rows_per_batch=count, seconds=seconds, users=users),
            lasts,
        )
        for count in rows
    ]


def _in_turn(
    workload: str,
    those: Contenders,
    measure: Callable[[Contender], Awaitable[Measured]],
    rounds: int,
    expected_seconds: float,
) -> list[Step]:
    return [
        Step(workload, name, partial(measure, those[name]), expected_seconds)
        for name in turns(those, rounds)
    ]
