"""What it must reach, beside what it reached: ratios are to others of the same campaign."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.campaign import Run
from bench.report.select import figure

OURS, NAIVE, COMPETENT = "ours", "naive", "competent"


@dataclass(frozen=True)
class Goal:
    """A bound of one of the product's figures, or of its ratio to `beside`: (workload, whose)."""

    what: str
    workload: str
    figure: str
    least: float | None = None
    most: float | None = None
    beside: tuple[str, str] | None = None
    unit: str = ""


@dataclass(frozen=True)
class Judged:
    """A goal, and what was seen; `met` is None where something for it was not measured."""

    what: str
    goal: str
    seen: str
    met: bool | None


PER_SECOND = "accepted updates per CPU-second, all processes"
LATENCY = "POST at half of capacity"
SCREEN = "POST to screen"
DELIVERIES = "deliveries per CPU-second of notification"

# The scoreboard's window, and 30 ms.
BUSY_P99_MS = 80.0

# A stream that waits holds no more than the frame that it was given; pools and logs move by less.
NOISE_BYTES = 2**20

GOALS = (
    Goal(PER_SECOND, "increments", "per_cpu_second", least=25, beside=("increments", NAIVE)),
    Goal(PER_SECOND, "increments", "per_cpu_second", least=6, beside=("increments", COMPETENT)),
    Goal(PER_SECOND, "increments", "per_cpu_second", least=8000),
    Goal(
        f"{PER_SECOND}, 512 connections",
        "increments-512",
        "per_cpu_second",
        least=25,
        beside=("increments-512", NAIVE),
    ),
    Goal(
        f"{PER_SECOND}, 512 connections",
        "increments-512",
        "per_cpu_second",
        least=6,
        beside=("increments-512", COMPETENT),
    ),
    Goal(f"{PER_SECOND}, 512 connections", "increments-512", "per_cpu_second", least=8000),
    Goal("gateway alone, per CPU-second of it", "increments", "per_gateway_second", least=18_000),
    Goal(f"{LATENCY}, p50", "increments", "half_p50_ms", most=5, unit="ms"),
    Goal(f"{LATENCY}, p99", "increments", "half_p99_ms", most=25, unit="ms"),
    Goal(f"{SCREEN}, 10 updates a second, p50", "screen", "p50_ms", most=10, unit="ms"),
    Goal(f"{SCREEN}, 10 updates a second, p99", "screen", "p99_ms", most=25, unit="ms"),
    Goal(
        f"{SCREEN}, 2,000 updates a second, p99",
        "screen-busy",
        "p99_ms",
        most=BUSY_P99_MS,
        unit="ms",
    ),
    Goal(f"{DELIVERIES}, of the C loop", "deliveries", "of_floor", least=0.7),
    Goal(DELIVERIES, "deliveries", "per_cpu_second", least=10, beside=("deliveries", NAIVE)),
    Goal(f"{DELIVERIES} over SSE, of the C loop", "events", "of_floor", least=0.6),
    Goal("idle WebSocket, resident memory each", "idle", "kilobytes_each", most=12, unit="kB"),
    Goal("5 % stuck readers: p99 of the others", "stuck", "p99_ratio", most=1.1, unit="×"),
    Goal(
        "5 % stuck readers: growth of memory",
        "stuck",
        "growth_bytes",
        most=NOISE_BYTES,
        unit="bytes",
    ),
    Goal("reconnect storm: all current again", "storm", "seconds", most=5, unit="s"),
    Goal(
        "cost per update at 1 M users, to 1 k users",
        "users-1000000",
        "microseconds",
        most=1.25,
        beside=("users-1000", OURS),
    ),
)


def judge(runs: Sequence[Run]) -> list[Judged]:
    """Every goal for which anything was measured."""
    return [judged for goal in GOALS if (judged := _judged(goal, runs)) is not None]


def _judged(goal: Goal, runs: Sequence[Run]) -> Judged | None:
    seen = figure(runs, goal.workload, OURS, goal.figure)
    if seen is None:
        return None
    suffix = f" {goal.unit}" if goal.unit else ""
    if goal.beside is not None:
        workload, whose = goal.beside
        other = figure(runs, workload, whose, goal.figure)
        suffix = " ×" if whose == OURS else f" × {whose}"
        if not other:
            return Judged(goal.what, _bound(goal) + suffix, "not measured", None)
        seen /= other
    met = seen <= goal.most if goal.most is not None else seen >= (goal.least or 0)
    return Judged(goal.what, _bound(goal) + suffix, _number(seen) + suffix, met)


def _bound(goal: Goal) -> str:
    return f"≤ {goal.most:,g}" if goal.most is not None else f"≥ {goal.least:,g}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
