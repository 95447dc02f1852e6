"""The generator's figures as a table each."""

from rich.table import Table

from bench.load.crowd import Watched
from bench.load.latencies import Latencies
from bench.load.posted import Posted
from bench.load.screen import Shown


def posted(title: str, run: Posted) -> Table:
    """A run of posts."""
    share = run.cpu_seconds / max(run.seconds, 1e-9)
    each = run.cpu_seconds / max(run.latencies.count, 1) * 1e6
    rows = _table(title)
    rows.add_row("accepted", f"{run.accepted} of {run.sent}, {run.points} points")
    rows.add_row("a second", f"{run.latencies.count / max(run.seconds, 1e-9):.0f}")
    if not run.clean:
        rows.add_row("statuses", str(dict(run.statuses)))
        rows.add_row("connections lost", str(run.lost))
        rows.add_row("without answer, never sent", f"{run.unanswered}, {run.unsent}")
    rows.add_row("latency", _figures(run.latencies))
    if run.late.count or run.queued:
        rows.add_row("generator behind its schedule", _figures(run.late))
        rows.add_row("found all connections busy", str(run.queued))
    style = "red" if run.saturated else None
    rows.add_row("generator's CPU", f"{share:.0%} of a core, {each:.1f} µs each", style=style)
    return rows


def watched(title: str, crowd: Watched) -> Table:
    """What a crowd saw."""
    rows = _table(title)
    rows.add_row("watchers", f"{crowd.watchers}, {crowd.connects_per_second:.0f} a second")
    rows.add_row("frames, bytes", f"{crowd.frames}, {crowd.bytes}")
    rows.add_row("frames each", f"{crowd.fewest_frames} to {crowd.most_frames}")
    rows.add_row("newest board", f"{crowd.position}: {crowd.probes_at_position} of {crowd.probes}")
    rows.add_row("ended", str(crowd.ended or "none"))
    return rows


def shown(title: str, result: Shown) -> Table:
    """POST to screen."""
    rows = _table(title)
    rows.add_row("updates, probes", f"{result.updates}, {result.probes}")
    rows.add_row("unseen", str(result.unseen), style="red" if result.unseen else None)
    rows.add_row("first watcher", _figures(result.first))
    rows.add_row("median watcher", _figures(result.middle))
    rows.add_row("last watcher", _figures(result.last))
    rows.add_row("all", _figures(result.every))
    return rows


def _table(title: str) -> Table:
    return Table("what", "figure", title=title, title_justify="left")


def _figures(latencies: Latencies) -> str:
    figures = (f"{name} {value:.2f}" for name, value in latencies.milliseconds.items())
    return ", ".join(figures) + " ms"
