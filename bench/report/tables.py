"""The figures of a campaign as tables, a row for each contender."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from rich.table import Table

from bench.campaign import Run
from bench.report.select import contenders, figure
from bench.report.targets import Judged


class Column(NamedTuple):
    """A heading, the name of the figure, and how it is written."""

    heading: str
    figure: str
    form: str = ",.0f"


INCREMENTS = (
    Column("per CPU-second", "per_cpu_second"),
    Column("µs each", "microseconds"),
    Column("per s of the gateway", "per_gateway_second"),
    Column("a second", "per_second"),
    Column("p50 ms at half", "half_p50_ms", ".1f"),
    Column("p99 ms at half", "half_p99_ms", ".1f"),
)
DELIVERIES = (
    Column("watchers", "watchers"),
    Column("bytes a frame", "frame_bytes"),
    Column("µs each", "microseconds", ".2f"),
    Column("per CPU-second", "per_cpu_second"),
    Column("µs of the C loop", "floor_microseconds", ".2f"),
    Column("of the C loop", "of_floor", ".2f"),
)
COLUMNS = {
    "increments": INCREMENTS,
    "users": (Column("users", "users"), *INCREMENTS),
    "deliveries": DELIVERIES,
    "events": DELIVERIES,
    "screen": (
        Column("updates a second", "updates_per_second"),
        Column("watchers", "watchers"),
        Column("p50 ms", "p50_ms", ".1f"),
        Column("p99 ms", "p99_ms", ".1f"),
        Column("p99 ms of the last watcher", "last_watcher_p99_ms", ".1f"),
    ),
    "idle": (
        Column("sockets", "watchers"),
        Column("kB each", "kilobytes_each", ".1f"),
        Column("share of a core", "cpu_share", ".1%"),
        Column("connected a second", "connects_per_second"),
    ),
    "stuck": (
        Column("watchers", "watchers"),
        Column("stuck", "stuck"),
        Column("p99 ms without", "p99_ms_without", ".1f"),
        Column("p99 ms of the others", "p99_ms", ".1f"),
        Column("ratio", "p99_ratio", ".2f"),
        Column("bytes grown", "growth_bytes"),
    ),
    "storm": (
        Column("cut off", "watchers"),
        Column("all current after s", "seconds", ".2f"),
        Column("tries in vain", "refused"),
        Column("CPU-seconds", "cpu_seconds", ".2f"),
    ),
    "ledger": (
        Column("rows a second", "per_second"),
        Column("per CPU-second", "per_cpu_second"),
        Column("µs of PostgreSQL", "postgres_microseconds", ".1f"),
        Column("µs of the client", "client_microseconds", ".1f"),
    ),
}


def table(workload: str, runs: Sequence[Run]) -> Table:
    """The medians of one workload; below it how the machine was meanwhile."""
    columns = COLUMNS[workload.partition("-")[0]]
    rows = titled(workload, runs)
    rows.add_column("")
    for column in columns:
        rows.add_column(column.heading, justify="right")
    for whose in contenders(runs):
        values = (figure(runs, workload, whose, column.figure) for column in columns)
        cells = (
            "-" if value is None else format(value, column.form)
            for value, column in zip(values, columns, strict=True)
        )
        rows.add_row(whose, *cells)
    return rows


def titled(title: str, runs: Sequence[Run]) -> Table:
    """A table with nothing in it yet, for figures of these runs."""
    stolen = max(run.stolen_share for run in runs)
    sync = median(run.sync_microseconds for run in runs)
    return Table(
        title=title,
        title_justify="left",
        caption=f"stolen at most {stolen:.1%}; 8 kB on disk in {sync:.0f} µs",
        caption_justify="left",
    )


def targets(judged: Sequence[Judged]) -> Table:
    """Met or missed."""
    rows = Table("", "target", "seen", "", title="Targets", title_justify="left")
    words = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}
    for each in judged:
        rows.add_row(each.what, each.goal, each.seen, words[each.met])
    return rows
