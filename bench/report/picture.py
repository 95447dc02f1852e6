"""One picture: cost and latency, against users and against watchers."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from bench.campaign import Run

INCHES = (12, 8)
DOTS_PER_INCH = 120
COLOURS = {"ours": "tab:green", "competent": "tab:orange", "naive": "tab:red", "C": "black"}

Points = dict[str, list[tuple[float, float]]]


class Line(NamedTuple):
    """A figure, how its line is drawn, and whose it is if not the contender's."""

    figure: str
    style: str = "-"
    marker: str = "o"
    name: str = ""
    whose: str = ""


class Panel(NamedTuple):
    """Some figures of some workloads' runs, against another figure of theirs."""

    title: str
    across: str
    workloads: tuple[str, ...]
    lines: tuple[Line, ...]


USERS = ("increments", "users-1000", "users-1000000")
WATCHERS = ("deliveries", "deliveries-few")
SCREENS = ("screen", "screen-few")
PANELS = (
    Panel("CPU of all processes for an update, µs", "users", USERS, (Line("microseconds"),)),
    Panel(
        "CPU of notification for a frame, µs",
        "watchers",
        WATCHERS,
        (Line("microseconds"), Line("floor_microseconds", ":", "x", whose="C")),
    ),
    Panel(
        "POST at half of capacity, ms",
        "users",
        USERS,
        (Line("half_p50_ms", "-", "o", "p50"), Line("half_p99_ms", "--", "v", "p99")),
    ),
    Panel(
        "POST to screen, ms",
        "watchers",
        SCREENS,
        (Line("p50_ms", "-", "o", "p50"), Line("p99_ms", "--", "v", "p99")),
    ),
)


def draw(runs: Sequence[Run], to: Path) -> bool:
    """A PNG; False if there is nothing to draw."""
    picture = Figure(figsize=INCHES, layout="constrained")
    axes = picture.subplots(2, 2).flat
    drawn = [_draw(panel, runs, place) for panel, place in zip(PANELS, axes, strict=True)]
    if any(drawn):
        picture.savefig(to, dpi=DOTS_PER_INCH)
    return any(drawn)


def points(panel: Panel, line: Line, runs: Sequence[Run]) -> Points:
    """Of each contender the medians at each place, from left to right."""
    seen: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        x, y = run.figures.get(panel.across), run.figures.get(line.figure)
        if run.workload in panel.workloads and x and y:
            seen[line.whose or run.contender][x].append(y)
    return {
        whose: sorted((x, median(values)) for x, values in places.items())
        for whose, places in seen.items()
    }


def _draw(panel: Panel, runs: Sequence[Run], place: Axes) -> bool:
    place.set(title=panel.title, xlabel=panel.across, xscale="log", yscale="log")
    places: set[float] = set()
    for line in panel.lines:
        for whose, found in points(panel, line, runs).items():
            across, up = zip(*found, strict=True)
            label = f"{whose} {line.name}".strip()
            colour = COLOURS.get(whose)
            place.plot(across, up, line.style, marker=line.marker, color=colour, label=label)
            places.update(across)
    # Ticks where something was measured; up, at 1, 2, 5, 10, …
    place.set_xticks(sorted(places), labels=[f"{x:,.0f}" for x in sorted(places)])
    place.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    place.yaxis.set_major_formatter("{x:,g}")
    for axis in (place.xaxis, place.yaxis):
        axis.set_minor_locator(NullLocator())
    place.margins(0.15)
    place.grid(visible=True, alpha=0.3)
    handles, _ = place.get_legend_handles_labels()
    if handles:
        place.legend()
    return bool(handles)
