"""The product and the product without a fast path, in turns, and the factor between them."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from rich.table import Table

from bench.ablations.arming import environment_without, require
from bench.ablations.catalogue import ABLATIONS, NOT_ABLATED, Ablation
from bench.campaign import Measured, Run, Step, turns
from bench.contender import Contender
from bench.ports.ours import Ours
from bench.report.select import figure
from bench.report.tables import titled
from bench.workloads import deliveries, increments, storm

ABLATION = "ablation-"
WITH, WITHOUT = "with", "without"
WATCHERS = 1000
START_SECONDS = 20.0
WARM_SECONDS = 4.0
STORM_WATCHERS = 4000
COST = {
    "increments": "microseconds",
    "deliveries": "microseconds",
    "storm": "cpu_microseconds_each",
}


def steps(those: Iterable[Ablation], *, rounds: int, seconds: float) -> list[Step]:
    """A B, B A, and so on, for each of them."""
    lasts = START_SECONDS + WARM_SECONDS + 2 * seconds
    return [
        Step(name_of(each), side, partial(_measure, each, side, seconds), lasts)
        for each in those
        for side in turns((WITH, WITHOUT), rounds)
    ]


def name_of(ablation: Ablation) -> str:
    """Its workload in a campaign."""
    return ABLATION + ablation.name


def factors(runs: Sequence[Run]) -> Table:
    """What an update, a frame, or a stream that returns costs with each fast path and without."""
    title = "Fast paths: CPU µs of an update in all processes, or of a frame or stream"
    table = titled(title, runs)
    for heading in ("taken out", "what it is"):
        table.add_column(heading)
    for heading in ("with", "without", "factor"):
        table.add_column(heading, justify="right")
    for ablation in ABLATIONS.values():
        cost = COST[ablation.workload]
        costs = [figure(runs, name_of(ablation), side, cost) for side in (WITH, WITHOUT)]
        if all(costs):
            table.add_row(ablation.name, _told(ablation), *_cells(*costs))
    for name, why in NOT_ABLATED.items():
        table.add_row("-", f"{name}: {why}", "", "", "")
    return table


async def _measure(ablation: Ablation, side: str, seconds: float) -> Measured:
    out = ablation.without + ((ablation.name,) if side == WITHOUT else ())
    for name in out:
        require(ABLATIONS[name])
    product = Ours(name=side, environment=environment_without(out) if out else {})
    return await _workload(ablation, seconds)(product)


def _workload(ablation: Ablation, seconds: float) -> Callable[[Contender], Awaitable[Measured]]:
    if ablation.workload == "deliveries":
        return partial(deliveries.measure, watchers=WATCHERS, seconds=seconds)
    if ablation.workload == "storm":
        return partial(storm.measure, watchers=STORM_WATCHERS)
    return partial(increments.measure, seconds=seconds, warm_seconds=WARM_SECONDS)


def _told(ablation: Ablation) -> str:
    beside = f" (also without: {', '.join(ablation.without)})" if ablation.without else ""
    return ablation.fast_path + beside


def _cells(used: float | None, without: float | None) -> tuple[str, str, str]:
    assert used
    assert without
    return f"{used:.1f}", f"{without:.1f}", f"× {without / used:.2f}"
